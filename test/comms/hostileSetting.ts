// Raw clients on a real team, for tests that send what no honest client would: one is node 1 of the team, one a stranger, one
// node 2 at its scheduler.
import { expect } from 'vitest';
import { SCHEDULER_ID } from '../../src/comms/scheduler/client.js';
import type { RoundInfo } from '../../src/protocol/roundInfo.js';
import { type grpc, services } from '../../src/transport/grpc.js';
import { never, RawClient, wireCode, zeros } from './support.js';
import { NETWORK, RealTeam, type TeamNode } from './team.js';

export type Service = 'Handshake' | 'Team' | 'Gateway' | 'Scheduler';
export const METHODS: Readonly<Record<Service, readonly string[]>> = {
  Handshake: ['RequestToken', 'Authenticate'],
  Team: ['Deliver', 'Ping', 'Transfer', 'Warm', 'Circle', 'Screen'],
  Gateway: ['Describe', 'Register', 'Rounds', 'Submit', 'Outcome', 'Outputs'],
  Scheduler: ['Updates', 'Report', 'Register'],
};

export const pathOf = (service: Service, method: string) => `/millrace.v1.${service}/${method}`;

/** The bytes of a message as its proper client would send them. */
export function encoded(service: Service, method: string, message: object): Uint8Array {
  const definition = services[service].service[method as never] as grpc.MethodDefinition<object, object>;
  return definition.requestSerialize(message);
}

const selfOf = ({ node, key }: TeamNode) => ({
  network: NETWORK,
  id: node,
  sign: (bytes: Uint8Array) => key.sign(bytes),
});

/** An authenticated connection from one team member to another that may send anything. */
export function rawMember(from: TeamNode, { node, member }: TeamNode): RawClient {
  const peer = { id: node, identityKey: member.identityKey };
  return new RawClient(member.address, member.certificate, from.certificate, { self: selfOf(from), peer });
}

export class HostileSetting {
  readonly team: RealTeam;
  /** Node 2 of 3, called by node 1, its predecessor in the ring. */
  readonly target: TeamNode;
  /** A round that accepts messages, and must still do so after every attack. */
  readonly info: RoundInfo;
  readonly clients: Readonly<Record<Service, RawClient>>;

  private constructor(team: RealTeam, info: RoundInfo) {
    this.team = team;
    this.info = info;
    this.target = team.nodes[1]!;
    const { address, gatewayAddress, certificate } = this.target.member;
    const { schedulerAddress, schedulerIdentity } = team;
    this.clients = {
      Handshake: new RawClient(address, certificate, team.nodes[0]!.certificate),
      Team: rawMember(team.nodes[0]!, this.target),
      Gateway: new RawClient(gatewayAddress, certificate),
      Scheduler: new RawClient(schedulerAddress, schedulerIdentity.certificate.certificate, this.target.certificate, {
        self: selfOf(this.target),
        peer: { id: SCHEDULER_ID, identityKey: team.authority.publicKey },
      }),
    };
  }

  static async start(): Promise<HostileSetting> {
    const team = await RealTeam.start(3);
    return new HostileSetting(team, await team.collecting());
  }

  /** Sends one message, as the only frame if the call is a stream; returns the code of the answer. */
  async send(service: Service, method: string, message: Uint8Array): Promise<string> {
    const path = pathOf(service, method);
    const client = this.clients[service];
    if (method === 'Transfer' || method === 'Warm') return wireCode(await client.stream(path, [message]));
    if (method === 'Updates') return wireCode(await client.subscribe(path, message));
    return wireCode(await client.call(path, message));
  }

  /** Checks that the listeners answer and the round still accepts messages. */
  async expectUnharmed(): Promise<void> {
    const { team, target, info } = this;
    expect(await team.nodes[0]!.link.ping(target.node, never)).toMatch(/^[0-9a-f]{32}$/);
    expect(await this.send('Gateway', 'Describe', zeros(0))).toBe('ok');
    const report = { progress: { round: info.round, phase: 'generate', fraction: 0.5 } };
    expect(await this.send('Scheduler', 'Report', encoded('Scheduler', 'Report', report))).toBe('ok');
    for (const { manager } of team.nodes) expect(manager.stages.get(info.round)).toBe('QUEUED');
  }

  async close(): Promise<void> {
    for (const client of Object.values(this.clients)) client.close();
    await this.team.close();
  }
}
