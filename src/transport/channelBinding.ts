// Binds a token to one TLS connection by the exported keying material of RFC 9266 (tls-exporter): 32 bytes that both ends of a connection
// know and nobody else does. A token or signature that is carried to another connection does not fit there.
//
// grpc-js gives neither end access to its socket. A server finds a connection by its addresses, which no other open connection has; a
// client catches the socket while it is made (transport/calling/connection.ts).

import type { TLSSocket } from 'node:tls';
import { toHex } from '../base/index.js';
import { plainFingerprint } from '../protocol/index.js';

const LABEL = 'EXPORTER-Channel-Binding';
const BYTES = 32;

/** Both ends of a TCP connection, as one of them sees it. */
export interface Endpoints {
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** The channel binding of a socket whose handshake is done. */
export function readBinding(socket: TLSSocket): Uint8Array {
  // The RFC's context is present and empty.
  return new Uint8Array(socket.exportKeyingMaterial(BYTES, LABEL, Buffer.alloc(0)));
}

interface Served {
  readonly socket: TLSSocket;
  readonly binding: Uint8Array;
  /** SHA-256 of the caller's certificate, hex; empty if it showed none. */
  readonly certificate: string;
}

const describeEnds = ({ localPort, remoteAddress, remotePort }: Endpoints) =>
  `${localPort}/${remoteAddress}/${remotePort}`;

const served = new Map<string, Served>();
const servedBindings = new Set<string>();

/** Remembers a connection that a server of this process has accepted, until it is closed. */
export function rememberServed(socket: TLSSocket): void {
  try {
    remember(socket);
  } catch {
    // The connection was gone before its handshake was read; an exception here would end the process.
    socket.destroy();
  }
}

function remember(socket: TLSSocket): void {
  const name = describeEnds(socket);
  const certificate = socket.getPeerCertificate().fingerprint256 ?? '';
  const entry = {
    socket,
    binding: readBinding(socket),
    certificate: plainFingerprint(certificate),
  };
  const binding = toHex(entry.binding);
  served.set(name, entry);
  servedBindings.add(binding);
  socket.once('close', () => {
    servedBindings.delete(binding);
    if (served.get(name) === entry) served.delete(name);
  });
}

/** The binding of the served connection between these endpoints; undefined if it is closed already. */
export function servedBinding(endpoints: Endpoints): Uint8Array | undefined {
  return served.get(describeEnds(endpoints))?.binding;
}

/** True if the served connection with this binding is still open. */
export function isServed(binding: Uint8Array): boolean {
  return servedBindings.has(toHex(binding));
}

/**
 * Closes at once the connections to a port of ours for whose certificates `keep` is false, with all that runs on them; returns their
 * number.
 */
export function closeServed(localPort: number, keep: (certificate: string) => boolean): number {
  let closed = 0;
  for (const { socket, certificate } of [...served.values()]) {
    if (socket.localPort !== localPort || keep(certificate)) continue;
    socket.destroy();
    closed++;
  }
  return closed;
}
