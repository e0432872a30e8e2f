// The process of an attacker: reads its plan from the command line, attacks, and prints the result as one line of JSON.
import { Attacker, type AttackPlan } from './attacks.js';

const attacker = new Attacker(JSON.parse(process.argv[2] ?? '{}') as AttackPlan);
await attacker.run();
process.stdout.write(`${JSON.stringify(attacker.count)}\n`);
process.exit();
