// Known vulnerabilities of the packages installed with this one. Fails if there are any; a registry that does not answer audits
// is reported.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
  cwd: root,
  encoding: 'utf8',
  timeout: 120_000,
});

/** The report; undefined if the registry gave none. */
function reportOf(text) {
  try {
    const report = JSON.parse(text);
    return report.metadata?.vulnerabilities ? report : undefined;
  } catch {
    return undefined;
  }
}

const report = reportOf(stdout ?? '');
if (!report) {
  process.stdout.write('not known: the registry answers no audits\n');
} else {
  const { total } = report.metadata.vulnerabilities;
  for (const { name, severity, range } of Object.values(report.vulnerabilities)) {
    process.stdout.write(`${severity}: ${name} ${range}\n`);
  }
  process.stdout.write(`${total} known vulnerabilities\n`);
  if (total > 0) process.exitCode = 1;
}
