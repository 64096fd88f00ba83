#!/usr/bin/env node
// Adds up Jest's result files: names what failed and what was skipped, then prints "N passed, N failed, N skipped".
// usage: sum-results.mjs FAILED_STEPS FILE...
import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';

const [failedSteps, ...files] = process.argv.slice(2);
let passed = 0;
let failed = Number(failedSteps);
let skipped = 0;
for (const file of files) {
  const results = JSON.parse(readFileSync(file, 'utf8'));
  passed += results.numPassedTests;
  failed += results.numFailedTests;
  skipped += results.numPendingTests + results.numTodoTests;
  for (const suite of results.testResults) {
    const broken = suite.status === 'failed' && suite.assertionResults.every((test) => test.status !== 'failed');
    if (broken) {
      failed += 1;
      console.log(`FAILED ${suite.name}\n${suite.message}`);
    }
    for (const test of suite.assertionResults) {
      if (test.status === 'failed') console.log(`FAILED ${test.fullName}\n${shorten(test.failureMessages.join('\n'))}`);
    }
  }
}
/** What failed, and the first lines of where: the whole of it stands far above. */
function shorten(message) {
  const lines = stripVTControlCharacters(message).split('\n').slice(0, 12);
  return lines.map((line) => `    ${line.slice(0, 400)}`).join('\n');
}

if (passed === 0) {
  failed += 1;
  console.log('FAILED: no test ran');
}
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
