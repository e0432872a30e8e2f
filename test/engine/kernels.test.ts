// The compliance suite on every engine and every path of it that this machine can run.
import { describe } from 'vitest';
import { native } from '../../src/engine/nativeLibrary.js';
import { pooledEngine, referenceEngine } from '../../src/engine/open.js';
import { openssl } from '../../src/engine/opensslLibrary.js';
import { engineCompliance } from '../engine.compliance.js';

const settings = { threads: 2, queueLimit: 64 };

engineCompliance('reference', async (group) => referenceEngine(group));
engineCompliance('bigint', async (group) => pooledEngine('bigint', 'bigint', { group, ...settings }));
engineCompliance('openssl through Diffie-Hellman', async (group) =>
  pooledEngine('openssl', 'dh', { group, ...settings }),
);

let binding: ReturnType<typeof openssl> | undefined;
try {
  binding = openssl();
} catch {
  // This Node.js does not export OpenSSL: the path above is the one it has.
}

describe.skipIf(!binding)('OpenSSL through koffi', () => {
  engineCompliance('openssl, public functions', async (group) =>
    pooledEngine('openssl', 'bignum', { group, ...settings }),
  );
});

describe.skipIf(!binding?.words)('OpenSSL on words', () => {
  engineCompliance('openssl', async (group) => pooledEngine('openssl', 'words', { group, ...settings }));
});

let paths: readonly string[] = [];
try {
  ({ devices: paths } = native());
} catch {
  // No compiler built the native library here.
}

describe.skipIf(!paths.includes('ifma'))('the native library on AVX-512 IFMA', () => {
  engineCompliance('cpu', async (group) => pooledEngine('cpu', 'ifma', { group, ...settings }));
});

describe.skipIf(!paths.includes('portable'))('the native library on 64-bit words', () => {
  engineCompliance('cpu, portable words', async (group) => pooledEngine('cpu', 'portable', { group, ...settings }));
});
