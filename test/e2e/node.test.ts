// Whole nodes from their configuration files, in one process: they survive the absence of a scheduler, also during their start,
// and change certificates and membership while rounds go on.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { keyFilesIn } from '../../src/node/settings/keyFiles.js';
import { createCertificate } from '../../src/transport/certificates.js';
import { Nodes } from '../support/nodes.js';

const LIMIT_MS = 60_000;

let nodes: Nodes;
beforeEach(() => {
  nodes = new Nodes();
});
afterEach(() => nodes.close());

describe('a scheduler that is away', () => {
  it('while nodes start keeps none from starting: they report what is missing, and join when it comes', {
    timeout: LIMIT_MS,
  }, async () => {
    await nodes.create(2);
    for (const node of [0, 1]) await nodes.start(node);
    for (const node of [0, 1]) {
      const { status, text } = await nodes.readiness(node);
      expect(status).toBe(503);
      expect(text).toContain('no connection to the scheduler');
    }
    await nodes.startScheduler();
    await nodes.standby();
    expect((await nodes.readiness(0)).status).toBe(200);
  });

  it('in the middle of a round ends none, and finds the nodes where they were', { timeout: LIMIT_MS }, async () => {
    await nodes.create(2);
    await nodes.startScheduler();
    for (const node of [0, 1]) await nodes.start(node);
    const first = nodes.info();
    nodes.feed.open(first);
    await nodes.stopScheduler();
    // Its feed lives on: only the connection was lost.
    await nodes.startScheduler();
    await nodes.feed.reached(first.round, 'STANDBY');
    await nodes.stopScheduler();
    const second = nodes.info();
    nodes.feed.open(second);
    await nodes.startScheduler();
    await nodes.feed.reached(second.round, 'STANDBY');
    nodes.feed.assign(first.round);
    await nodes.feed.reached(first.round, 'QUEUED');
  });
});

describe('a round for which a node has no memory', () => {
  it('ends at once, as that node’s own failure, and reports the limit', { timeout: LIMIT_MS }, async () => {
    await nodes.create(2);
    const file = join(nodes.at(1), 'node.toml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('# memory_mib = 4096', 'memory_mib = 16'));
    await nodes.startScheduler();
    for (const node of [0, 1]) await nodes.start(node);
    const info = { ...nodes.info(), slots: 1 << 15, chunkSlots: 1 << 6 };
    nodes.feed.open(info);
    const values = { code: 'MEMORY_LIMIT', culprit: nodes.members[1]!.node };
    await expect(nodes.feed.reached(info.round, 'STANDBY')).rejects.toMatchObject({ code: 'SCHEDULER_FAILED', values });
    const { httpPort } = nodes.running[1]!;
    const status = await (await fetch(`http://127.0.0.1:${httpPort}/status`)).json();
    expect(status).toMatchObject({ roundMemory: { bytes: 0, mostBytes: 16 << 20 } });
    const metrics = await (await fetch(`http://127.0.0.1:${httpPort}/metrics`)).text();
    expect(metrics).toContain('millrace_round_memory_bytes 0');
    nodes.feed.fail(info.round, 'no room');
  });
});

describe('while rounds go on', () => {
  beforeEach(async () => {
    await nodes.create(3);
    await nodes.startScheduler();
    for (const node of [0, 1, 2]) await nodes.start(node);
    await nodes.standby();
  });
  const reloadAll = () => {
    for (const node of nodes.running) node.reload();
  };

  it('a certificate is changed without a restart and without a failed round', { timeout: LIMIT_MS }, async () => {
    const held = await nodes.standby();
    const [changing, ...others] = nodes.members;
    const next = await createCertificate(changing!.node, 2);
    // All list both, then the owner changes over, then the old one is removed.
    nodes.members = [{ ...changing!, nextCertificate: next.certificate }, ...others];
    nodes.writeMembership();
    reloadAll();
    await nodes.standby();
    const files = keyFilesIn(nodes.at(0));
    writeFileSync(files.certificateFile, next.certificate);
    writeFileSync(files.certificateKeyFile, next.privateKey);
    nodes.running[0]!.reload();
    await nodes.standby();
    nodes.members = [{ ...changing!, certificate: next.certificate }, ...others];
    nodes.writeMembership();
    reloadAll();
    await nodes.standby();
    nodes.feed.assign(held.round);
    await nodes.feed.reached(held.round, 'QUEUED');
  });

  it('a member removed from the list fails its rounds, naming it, and only those', {
    timeout: LIMIT_MS,
  }, async () => {
    const [first, second, leaving] = nodes.members;
    const staying = nodes.info([first!.node, second!.node]);
    nodes.feed.open(staying);
    await nodes.feed.reached(staying.round, 'STANDBY');
    const lost = await nodes.standby();
    const failed = nodes.feed.reached(lost.round, 'COMPLETED').catch((error) => error.values);
    nodes.members = [first!, second!];
    nodes.generation = 2;
    nodes.writeMembership();
    for (const node of nodes.running.slice(0, 2)) node.reload();
    expect(await failed).toMatchObject({ code: 'PEER_UNKNOWN', culprit: leaving!.node });
    nodes.feed.assign(staying.round);
    await nodes.feed.reached(staying.round, 'QUEUED');
    // Rounds of the new generation have the two remaining members.
    await nodes.standby();
  });

  it('unusable files change nothing', { timeout: LIMIT_MS }, async () => {
    const file = join(nodes.directory, 'membership.toml');
    const good = readFileSync(file, 'utf8');
    const unpinned = await createCertificate('x', 2);
    const files = keyFilesIn(nodes.at(0));
    const own = readFileSync(files.certificateFile, 'utf8');
    const broken: (() => void)[] = [
      () => writeFileSync(file, good.slice(0, 200)),
      () => writeFileSync(file, good.replace('generation = 1', 'generation = 0')),
      () => writeFileSync(file, good.replace(nodes.members[0]!.node, 'f'.repeat(32))),
      () => writeFileSync(files.certificateFile, unpinned.certificate),
    ];
    for (const harm of broken) {
      harm();
      expect(() => nodes.running[0]!.reload()).toThrow(/CONFIG_INVALID|CERTIFICATE_INVALID|PEER_UNKNOWN/);
      writeFileSync(file, good);
      writeFileSync(files.certificateFile, own);
    }
    nodes.running[0]!.reload();
    await nodes.standby();
  });
});
