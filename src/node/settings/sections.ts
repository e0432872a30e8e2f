// Types and sections that the configurations of a node and of a scheduler share.
import { z } from 'zod';
import { LOG_LEVELS } from '../../base/log.js';
import { GROUP_NAMES, type GroupName, TEST_GROUP_NAMES } from '../../math/index.js';
import { type RoundFloors, SAFE_FLOORS } from '../../protocol/index.js';
import { notes, pathIn } from './configFile.js';

const PORT_MAX = 65_535;
/** host:port, with a possible port. An IPv6 host stands in brackets. */
export const address = z.string().refine((text) => Number(/^.+:(\d{1,5})$/.exec(text)?.[1] ?? Number.NaN) <= PORT_MAX, {
  error: `expected host:port, with a port from 0 to ${PORT_MAX}`,
});
/** An address with a note on its purpose, and an initial value. */
export const addressFor = (about: string, first: string) => address.clone().register(notes, { about, first });

export const key = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hex digits');
export const whole = (least: number, most: number) => z.int().min(least).max(most);
export const file = (first: string, about?: string) =>
  z
    .string()
    .min(1)
    .register(notes, { first, ...(about && { about }) });
export const groupName = z.enum([...GROUP_NAMES, ...TEST_GROUP_NAMES] as [GroupName, ...GroupName[]]);

export const network = (about: string) => z.string().min(1).max(64).register(notes, { about, first: 'example' });

/** Key files, created by `millrace keys create`. */
export const identity = (about: string) =>
  z.strictObject({
    key_file: file('identity.key', about),
    certificate_file: file('certificate.pem'),
    certificate_key_file: file('certificate.key'),
  });

/** Paths of an identity, relative to the file that they stand in. */
export const identityIn = (config: string, paths: z.infer<ReturnType<typeof identity>>) => ({
  key_file: pathIn(config, paths.key_file),
  certificate_file: pathIn(config, paths.certificate_file),
  certificate_key_file: pathIn(config, paths.certificate_key_file),
});

export const httpHosts = (first: string) =>
  z
    .array(z.string().min(1).max(255))
    .default([])
    .register(notes, {
      about: 'Other host names that HTTP answers to, besides those of loopback.',
      commented: [first],
    });

/** The least that a party takes part in, whatever is signed: protocol/floors.ts. */
export const floorsSection = z
  .strictObject({
    team: whole(1, 64).default(SAFE_FLOORS.team),
    slots: whole(1, 1 << 20).default(SAFE_FLOORS.slots),
    senders: whole(1, 1 << 20).default(SAFE_FLOORS.senders),
    group_bits: whole(1, 1 << 16).default(SAFE_FLOORS.groupBits),
  })
  .prefault({})
  .register(notes, {
    about:
      'Smallest rounds that this process takes part in: nodes of a team, slots of a batch, distinct senders, bits of the group. Smaller\n' +
      'rounds hide nobody, and are refused even if they are signed. Every sender and node has floors of its own.',
  });

/** Floors in the keys of a file. */
export const toFloorKeys = ({ team, slots, senders, groupBits }: RoundFloors): z.infer<typeof floorsSection> => ({
  ...{ team, slots, senders },
  group_bits: groupBits,
});

export const toFloors = ({ team, slots, senders, group_bits }: z.infer<typeof floorsSection>): RoundFloors => ({
  team,
  slots,
  senders,
  groupBits: group_bits,
});

export const logSection = z
  .strictObject({
    level: z
      .enum(LOG_LEVELS)
      .default('info')
      .register(notes, { about: LOG_LEVELS.join(', ') }),
    format: z
      .enum(['auto', 'pretty', 'json'])
      .default('auto')
      .register(notes, { about: 'auto is pretty on a terminal, JSON otherwise.' }),
  })
  .prefault({});
