// A process whose core is searched (core.test.ts): a real team on a real engine completes one round, aborts another, and ends its
// key epoch. Every secret that it held meanwhile is written to a file, disguised: bits of each byte are changed, so that the
// notes leave no second copy in memory.
import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { utf8 } from '../../src/base/bytes.js';
import { Secret } from '../../src/base/secret.js';
import { PreparedHandle } from '../../src/engine/checked/handles.js';
import type { Prepared } from '../../src/engine/engine.js';
import { openEngine } from '../../src/engine/open.js';
import { namedGroup } from '../../src/math/group.js';
import { OutgoingBatch } from '../../src/round/exchange/batches.js';
import { RoundSecrets } from '../../src/round/run/secrets.js';
import { RealTeam } from '../comms/team.js';
import { DISGUISE, type Noted } from './coreSearch.js';

const [engineName, file] = process.argv.slice(2) as ['cpu' | 'openssl', string];
const GROUP = 'MODP-2048';
const SLOTS = 24;
const EPOCHS = 100;

const notes = openSync(file, 'w');
let phase: Noted['phase'] = 'completed';

function note(what: string, held: Uint8Array | Uint32Array, at = phase): void {
  const bytes = new Uint8Array(held.buffer, held.byteOffset, held.byteLength);
  const disguised = Buffer.alloc(bytes.length);
  for (let i = 0; i < bytes.length; i++) disguised[i] = bytes[i]! ^ DISGUISE;
  writeSync(notes, `${JSON.stringify({ phase: at, what, disguised: disguised.toString('base64') } satisfies Noted)}\n`);
}

type Held = Uint8Array | Uint32Array | Secret | Prepared;
/** Names of secrets, by the holder of each. */
const names = new WeakMap<Held, string>();

function noteHeld(held: Held): void {
  const what = names.get(held) ?? 'a secret';
  if (held instanceof Secret) note(what, held.reveal());
  else if (held instanceof PreparedHandle) note(what, held.storage.data);
  else note(what, held as Uint8Array);
}

/** True if the garbage collector moves these bytes: the first access to their buffer then takes them out of the JavaScript heap. */
function isMoved(held: Uint8Array | Uint32Array): boolean {
  const before = process.memoryUsage().arrayBuffers;
  return held.buffer.byteLength > 0 && process.memoryUsage().arrayBuffers > before;
}

const revealed = new WeakSet<Secret>();
const { reveal } = Secret.prototype;
Secret.prototype.reveal = function () {
  const bytes = reveal.call(this);
  if (!revealed.has(this) && isMoved(bytes)) note(`${this.constructor.name} of ${bytes.length} bytes`, bytes, 'moved');
  revealed.add(this);
  return bytes;
};
const { hold, drop } = RoundSecrets.prototype;
const ofRounds = new Set<Held>();
RoundSecrets.prototype.hold = function (secret) {
  const caller = /at (?:async )?(\S+)/.exec((new Error().stack ?? '').split('\n')[2] ?? '')?.[1];
  names.set(secret, caller ?? 'a round');
  ofRounds.add(secret);
  if (ArrayBuffer.isView(secret) && isMoved(secret)) note(`${caller}, ${secret.byteLength} bytes`, secret, 'moved');
  return hold.call(this, secret) as typeof secret;
};
// A buffer that is filled bit by bit is full when it is dropped.
RoundSecrets.prototype.drop = function (secret) {
  if (ofRounds.delete(secret)) noteHeld(secret);
  drop.call(this, secret);
};
const wipeRound = RoundSecrets.prototype.wipe;
RoundSecrets.prototype.wipe = function () {
  noteAll();
  wipeRound.call(this);
};
const { ready } = OutgoingBatch.prototype;
OutgoingBatch.prototype.ready = function (index) {
  note('a chunk', this.place(index), 'sent');
  ready.call(this, index);
};
const wipeSecret = Secret.prototype.wipe;
Secret.prototype.wipe = function () {
  if (!this.wiped) note(names.get(this) ?? this.constructor.name, this.reveal());
  wipeSecret.call(this);
};

function noteAll(): void {
  for (const held of ofRounds) noteHeld(held);
  ofRounds.clear();
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
/** Tells the test that the process has stopped; the test then has its core written. */
async function stop(at: string): Promise<void> {
  process.stdout.write(`${at}\n`);
  await lines.next();
}

const engine = await openEngine({ engine: engineName, group: namedGroup(GROUP), threads: 2 });
const team = await RealTeam.start(3, { engine });
const client = team.client();
const senders = Array.from({ length: 4 }, () => client.createSender());
const size = { slots: SLOTS, chunkSlots: 12, quotaPerSender: 6 };
const messages = () => Array.from({ length: SLOTS }, (_, i) => ({ sender: senders[i % 4]!, payload: utf8(`m ${i}`) }));

const mixed = await team.collecting(size);
await client.send(messages());
await team.feed.reached(mixed.round, 'COMPLETED');

phase = 'live';
const aborted = await team.collecting(size);
for (const held of ofRounds) noteHeld(held);
await stop('live');
phase = 'aborted';
for (const { manager } of team.nodes) manager.failRound(aborted.round, 'enough');
await new Promise((resolve) => setTimeout(resolve, 500));

phase = 'epoch';
// Many epochs: a copy that the garbage collector leaves behind is soon overwritten, but not every one of many.
for (let i = 0; i < EPOCHS; i++) for (const { registry } of team.nodes) registry.rotate();
for (const sender of senders) sender.wipe();
client.close();
// OpenSSL clears a key object's contents when the object is collected.
globalThis.gc?.();
await new Promise((resolve) => setTimeout(resolve, 200));
globalThis.gc?.();
await stop('over');
process.exit(0);
