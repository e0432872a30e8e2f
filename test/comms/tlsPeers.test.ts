// TLS compatibility: gRPC of other languages (BoringSSL) offers no Ed25519, and members of earlier releases have Ed25519
// certificates.
import { webcrypto } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/base/log.js';
import { createMetrics } from '../../src/base/metrics.js';
import { type CertificatePair, createCertificate } from '../../src/transport/certificates.js';
import { type Listener, listen } from '../../src/transport/serving/server.js';
import { codeOf, identity, Loopback, never } from './support.js';

/** A certificate as releases before P-256 issued it. */
async function ed25519Certificate(name: string): Promise<CertificatePair> {
  const algorithm = { name: 'Ed25519' };
  const keys = (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    signingAlgorithm: algorithm,
    keys: keys as never,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }])],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const privateKey = `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n`;
  return { certificate: `${certificate.toString('pem')}\n`, privateKey };
}

describe('a gateway', () => {
  let listener: Listener;
  let pair: CertificatePair;

  beforeAll(async () => {
    pair = await createCertificate('node', 5);
    const options = { address: '127.0.0.1:0', certificate: pair, log: silentLog, metrics: createMetrics() };
    listener = await listen(options, () => {});
  });
  afterAll(() => listener.close(0));

  it('accepts a TLS client that offers only ECDSA and RSA signatures, like BoringSSL', async () => {
    const socket = await new Promise<TLSSocket>((resolve, reject) => {
      const client = connect(
        {
          host: '127.0.0.1',
          port: listener.port,
          ca: pair.certificate,
          servername: 'node',
          ALPNProtocols: ['h2'],
          sigalgs: 'ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:rsa_pkcs1_sha256',
          ecdhCurve: 'X25519:P-256',
          minVersion: 'TLSv1.3',
        },
        () => resolve(client),
      );
      client.on('error', reject);
    });
    expect([socket.authorized, socket.alpnProtocol]).toEqual([true, 'h2']);
    expect(socket.getPeerCertificate()).toMatchObject({ asn1Curve: 'prime256v1' });
    socket.destroy();
  });
});

describe('members of an earlier release', () => {
  it('are accepted with their Ed25519 certificates, in both directions, beside P-256', async () => {
    const old = { ...(await identity('old')), certificate: await ed25519Certificate('old') };
    const team = await Loopback.start([old, await identity('new')]);
    const [before, after] = team.nodes;
    expect(await codeOf(before!.link.ping(after!.node, never))).toBe('ok');
    expect(await codeOf(after!.link.ping(before!.node, never))).toBe('ok');
    await team.close();
  });
});
