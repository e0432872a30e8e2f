// The findings of `millrace doctor`: every engine by name, with a speed if it passes its self-check and a reason if it does not.
import { describe, expect, it } from 'vitest';
import { doctorReport, examineEngines } from '../../src/bench/doctor.js';
import { ENGINE_NAMES } from '../../src/engine/engine.js';
import { namedGroup } from '../../src/math/group.js';

describe('the doctor', () => {
  it('lists every engine, with the names that scripts rely on', async () => {
    const group = namedGroup('TEST-64');
    const findings = await examineEngines(group, 1, () => {});
    expect(findings.map(({ name }) => name)).toEqual(ENGINE_NAMES);
    for (const finding of findings) {
      expect(Object.keys(finding)).toEqual(['name', 'available', 'reason', 'path', 'powUsPerOp']);
      if (finding.available) expect(finding.powUsPerOp).toBeGreaterThan(0);
      else expect(finding).toMatchObject({ reason: expect.stringMatching(/./), powUsPerOp: null });
    }
    // Installed for the tests.
    for (const name of ['reference', 'gpujs', 'tfjs']) {
      expect(findings.find((finding) => finding.name === name)).toMatchObject({ available: true });
    }
    const report = doctorReport(group, findings);
    for (const { name } of findings) expect(report).toContain(`| ${name} `);
  });
});
