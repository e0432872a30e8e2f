// One header, two libraries: each exports every function of kernels/api.h, and returns "unsupported" for functions that it lacks.
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { at, declaredIn, loadLibrary, OK, root, shared, UNSUPPORTED } from '../kernels/librarySupport.js';
import { describeWith } from '../support/requires.js';

const path = `${root}/build/native/libmillrace_cpu.so`;
const missing = existsSync(path) ? undefined : 'the native library is not built';

describeWith(missing, 'the native library', () => {
  it('exports every function that the header declares', () => {
    const declared = declaredIn('kernels/api.h');
    expect(declared.size).toBeGreaterThan(25);
    // Loading resolves every one of them.
    expect(loadLibrary(path).names).toEqual([...declared.keys()]);
  });

  it('keeps nothing on a device, and reports that as unsupported', () => {
    const { call, text, handle } = loadLibrary(path);
    const modulus = shared(256).fill(0xff);
    const group = handle('group_create', 0, at(modulus), 2048);
    expect(group.status).toBe(OK);
    const batch = shared(256).fill(1);
    const [out, some] = [shared(256).fill(0xa5), at(batch)];
    expect(handle('keep_prepared', group.address, some, 1)).toEqual({ status: UNSUPPORTED, address: 0 });
    expect(handle('keep_table', group.address, some, 32, 4)).toEqual({ status: UNSUPPORTED, address: 0 });
    expect(call('mul_kept', group.address, at(out), some, some, 0, 1)).toBe(UNSUPPORTED);
    expect(call('mul_gather_kept', group.address, at(out), some, some, some, 0, 1, 1, 0, 1)).toBe(UNSUPPORTED);
    expect(call('pow_fixed_kept', group.address, at(out), some, some, 1)).toBe(UNSUPPORTED);
    expect(call('device_facts', 0, at(out), 256)).toBe(UNSUPPORTED);
    expect([...out].every((byte) => byte === 0xa5)).toBe(true);
    call('kept_release', 0);
    expect(text('device_error')).toBe('');
    call('group_destroy', group.address);
  });
});
