// The bill of materials of the packages installed with this one: build/sbom.json, in CycloneDX. Fails if a dependency is missing
// in it.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { name, dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const args = ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev'];
const { status, stdout, stderr } = spawnSync('npm', args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 28 });
if (status !== 0) throw new Error(`npm sbom: ${stderr}`);
const sbom = JSON.parse(stdout);
// npm uses the folder's name.
sbom.metadata.component.name = name;
const listed = new Map(sbom.components.map((component) => [component.name, component.version]));
const missing = Object.entries(dependencies).filter(([dependency, version]) => listed.get(dependency) !== version);
if (sbom.bomFormat !== 'CycloneDX' || missing.length > 0) {
  throw new Error(
    `the bill of materials misses ${missing.map(([dependency]) => dependency).join(', ') || 'its format'}`,
  );
}
mkdirSync(join(root, 'build'), { recursive: true });
writeFileSync(join(root, 'build/sbom.json'), `${JSON.stringify(sbom, undefined, 2)}\n`);
process.stdout.write(`build/sbom.json: ${sbom.components.length} components\n`);
