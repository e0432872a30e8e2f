// TLS certificates of nodes: self-signed, because only the membership list, which pins its certificate, vouches for a node. Their keys
// are P-256, which every TLS offers: gRPC in Python, C++, Ruby, PHP and C# runs on BoringSSL, which by default does not offer Ed25519.
// Identities stay Ed25519. node:crypto can read certificates but not issue them; @peculiar/x509 does.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { MixError, systemClock } from '../base/index.js';
import { readCertificate } from '../protocol/index.js';

x509.cryptoProvider.set(webcrypto as never);

/** A certificate and its private key, both PEM. */
export interface CertificatePair {
  readonly certificate: string;
  readonly privateKey: string;
}

const DAY_MS = 24 * 3600 * 1000;

/** Algorithm of issued certificates. Pinned ones of another kind, such as Ed25519 of earlier releases, are accepted all the same. */
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A fresh self-signed certificate for `name`, valid from an hour ago (clocks differ) for `days`. */
export async function createCertificate(
  name: string,
  days: number,
  nowMs = systemClock.wallMs(),
): Promise<CertificatePair> {
  const keys = (await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: Buffer.from(webcrypto.getRandomValues(new Uint8Array(15)))
      .toString('hex')
      .replace(/^0+/, '1'),
    name: `CN=${name}`,
    notBefore: new Date(nowMs - 3600 * 1000),
    notAfter: new Date(nowMs + days * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys: keys as never,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const privateKey = `-----BEGIN PRIVATE KEY-----\n${pkcs8.replace(/(.{64})/g, '$1\n').trimEnd()}\n-----END PRIVATE KEY-----\n`;
  return { certificate: `${certificate.toString('pem')}\n`, privateKey };
}

/** Validity of a PEM certificate, ms since 1970. @throws MixError CERTIFICATE_INVALID */
export function readValidTime(certificatePem: string): { readonly fromMs: number; readonly toMs: number } {
  const { validFrom, validTo } = readCertificate(certificatePem);
  return { fromMs: Date.parse(validFrom), toMs: Date.parse(validTo) };
}

/** End of a PEM certificate's validity, ms since 1970. @throws MixError CERTIFICATE_INVALID */
export function readExpiry(certificatePem: string): number {
  return Date.parse(readCertificate(certificatePem).validTo);
}

/**
 * Checks that a pair can be used: grpc-js would report a bad one as an address that cannot be bound. @throws MixError CERTIFICATE_INVALID
 */
export function checkPair({ certificate, privateKey }: CertificatePair): void {
  try {
    createSecureContext({ cert: certificate, key: privateKey });
  } catch (cause) {
    throw new MixError('CERTIFICATE_INVALID', { reason: (cause as Error).message }, { cause });
  }
}
