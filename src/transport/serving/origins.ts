// The origin that a stranger comes from, for the shares under load: its address, or the network that one customer of a provider has (an
// IPv6 /64 holds more addresses than there are senders). Many senders are behind some addresses, as a proxy or this very machine: the
// configuration names those, and they count by connection. Apart because server.ts and callerLimits.ts both use it.
import { BlockList, isIP } from 'node:net';
import { MixError } from '../../base/index.js';
import type { Endpoints } from '../channelBinding.js';

/** Origins that count by connection by default: this machine. */
export const LOOPBACK_PREFIXES: readonly string[] = ['127.0.0.0/8', '::1/128'];

const NETWORK_GROUPS = 4;

/** The 16-bit groups of an IPv6 address, as numbers. */
function parseGroups(address: string): number[] {
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const parse = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)));
  const [first, last] = [parse(head), parse(tail ?? '')];
  return tail === undefined ? first : [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
}

export class Origins {
  readonly #byConnection = new BlockList();

  /** `byConnection`: prefixes such as 10.0.0.0/8. @throws MixError CONFIG_INVALID */
  constructor(byConnection: readonly string[]) {
    for (const prefix of byConnection) {
      const [address = '', bits = ''] = prefix.split('/');
      const family = isIP(address);
      const most = family === 6 ? 128 : 32;
      if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most) {
        throw new MixError('CONFIG_INVALID', { key: 'strangers.by_connection', prefix, why: 'expected address/bits' });
      }
      this.#byConnection.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
    }
  }

  /** The origin at the other end of a connection. */
  of({ remoteAddress = '', remotePort = 0 }: Endpoints): string {
    // Form in which a listener for both families sees an IPv4 address.
    const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/i, '');
    const family = isIP(address);
    const type = family === 6 ? 'ipv6' : 'ipv4';
    if (family === 0 || this.#byConnection.check(address, type)) return `${address}/${remotePort}`;
    if (family === 4) return address;
    const network = parseGroups(address).slice(0, NETWORK_GROUPS);
    return `${network.map((group) => group.toString(16)).join(':')}::/64`;
  }
}
