// The compliance suite on every engine and every path that this machine can run.
import { native } from '../../src/engine/kernels/native/library.js';
import { openssl } from '../../src/engine/kernels/openssl/library.js';
import { pooledEngine, referenceEngine } from '../../src/engine/open.js';
import { engineCompliance } from '../engine.compliance.js';
import { describeWith } from '../support/requires.js';

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
  // This Node.js does not export OpenSSL: the Diffie-Hellman path above is the only one.
}

const hidden = 'this Node.js does not export OpenSSL';
describeWith(binding ? undefined : hidden, 'OpenSSL through koffi', () => {
  engineCompliance('openssl, public functions', async (group) =>
    pooledEngine('openssl', 'bignum', { group, ...settings }),
  );
});

/** A build of Node.js that hides OpenSSL has the path above. */
const OPTIONAL = true;
describeWith(
  binding?.words ? undefined : 'this Node.js does not export products of words',
  'OpenSSL on words',
  () => engineCompliance('openssl', async (group) => pooledEngine('openssl', 'words', { group, ...settings })),
  OPTIONAL,
);

let paths: readonly string[] = [];
try {
  ({ devices: paths } = native());
} catch {
  // The native library is not built here, for lack of a compiler.
}

const notBuilt = paths.length > 0 ? undefined : 'the native library is not built';
// A CPU feature that cannot be installed.
const cpuLacks = paths.includes('ifma') ? undefined : 'no AVX-512 IFMA';
describeWith(
  notBuilt ?? cpuLacks,
  'the native library on AVX-512 IFMA',
  () => engineCompliance('cpu', async (group) => pooledEngine('cpu', 'ifma', { group, ...settings })),
  notBuilt === undefined,
);

describeWith(notBuilt, 'the native library on 64-bit words', () => {
  engineCompliance('cpu, portable words', async (group) => pooledEngine('cpu', 'portable', { group, ...settings }));
});
