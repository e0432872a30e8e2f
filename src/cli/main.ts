#!/usr/bin/env node
// The `millrace` command. Signals have their handlers before anything else is loaded, which takes half a second.
import { watchSignals } from './common/signals.js';

watchSignals();
await import('./program.js');
