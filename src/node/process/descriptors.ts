// How many files and connections the process may have open, and who gets them: a stranger that takes all of them would take the team's
// connections, the operator's page and the store with them.
import { readFileSync } from 'node:fs';

/** Where the system does not say: what many give a process. */
const UNKNOWN_LIMIT = 1_024;
const LIMITS_FILE = '/proc/self/limits';
/** The store, logs, engine threads, libraries, and what Node.js itself holds. */
const PROCESS = 96;
/** Connections of the HTTP address. */
const HTTP = 64;
/** Lanes to and from a member, with what is being dialled while another is still to be closed. */
const EACH_MEMBER = 12;
/** A network grows while its nodes run. */
const MEMBERS_MIN = 8;
/** Connections of those who are no members, or not yet known to be, to the team's port. */
const TEAM_STRANGERS = 32;

interface Descriptors {
  /** What the process may have open. */
  readonly limit: number;
  /** Connections to the team's port. */
  readonly team: number;
  /** Connections of senders and receivers. */
  readonly gateway: number;
}

/** The soft limit of this process (RLIMIT_NOFILE). */
export function descriptorLimit(read: () => string = () => readFileSync(LIMITS_FILE, 'utf8')): number {
  try {
    const soft = /^Max open files\s+(\d+|unlimited)/m.exec(read())?.[1];
    return soft === 'unlimited' ? Infinity : Number(soft ?? UNKNOWN_LIMIT);
  } catch {
    // Only Linux has the file; a share of a guess is still a share.
    return UNKNOWN_LIMIT;
  }
}

/** Shares of a limit: the team's, the store's and HTTP's are kept, strangers have what is left, at most `most`. */
export function descriptorShares(limit: number, members: number, most: number): Descriptors {
  const team = Math.min(most, Math.max(members, MEMBERS_MIN) * EACH_MEMBER + TEAM_STRANGERS);
  const left = limit - PROCESS - HTTP - team;
  return { limit, team, gateway: Math.max(1, Math.min(most, left)) };
}
