// A TCP proxy that fails on command: between a node and a peer, it cuts connections, swallows bytes, or stops reading. TLS passes
// through it end to end, so faults look as in a real network.
import { createServer, connect as dial, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly target: Socket;
}

export class FaultyProxy {
  /** Number of connections accepted. */
  accepted = 0;
  /** Bytes that clients have sent through it. */
  forwarded = 0;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #targetPort: number;
  #refusing = false;
  #cutAfter = Infinity;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(targetPort: number): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** Sets the target of new connections. */
  retarget(port: number): void {
    this.#targetPort = port;
  }

  /** Closes new connections at once, or accepts them again. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  /** Cuts all connections, with a reset. */
  cut(): void {
    for (const { client, target } of this.#pairs) {
      client.resetAndDestroy();
      target.resetAndDestroy();
    }
  }

  /** Cuts all connections after so many more bytes from clients. */
  cutAfter(bytes: number): void {
    this.#cutAfter = this.forwarded + bytes;
  }

  /** Keeps the present connections open but forwards nothing any more: the peer seems to have vanished. */
  swallow(): void {
    for (const { client, target } of this.#pairs) {
      client.removeAllListeners('data').on('data', () => {});
      target.removeAllListeners('data').on('data', () => {});
    }
  }

  /** Stops reading from the client of the newest connection. */
  stallNewest(): void {
    const newest = [...this.#pairs].at(-1);
    newest?.client.pause();
    newest?.target.removeAllListeners('drain');
  }

  #accept(client: Socket): void {
    this.accepted++;
    client.on('error', () => {});
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const target = dial(this.#targetPort, '127.0.0.1');
    const pair = { client, target };
    this.#pairs.add(pair);
    target.on('error', () => {});
    client.on('data', (bytes) => {
      this.forwarded += bytes.length;
      if (this.forwarded >= this.#cutAfter) {
        this.#cutAfter = Infinity;
        this.cut();
        return;
      }
      if (!target.write(bytes)) client.pause();
    });
    target.on('drain', () => client.resume());
    target.on('data', (bytes) => {
      if (!client.write(bytes)) target.pause();
    });
    client.on('drain', () => target.resume());
    for (const [one, other] of [
      [client, target],
      [target, client],
    ] as const) {
      one.on('close', () => {
        other.destroy();
        this.#pairs.delete(pair);
      });
    }
  }

  close(): Promise<void> {
    this.cut();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
