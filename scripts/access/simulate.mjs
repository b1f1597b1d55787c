// Evaluates requests with @cloud-copilot/iam-simulate: one JSON object a line in, one a line out, in order.
// node simulate.mjs <folder with node_modules>
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const require = createRequire(join(process.argv[2], 'package.json'))
const { getDenialReasons, getGrantReasons, runSimulation } = require('@cloud-copilot/iam-simulate')

async function answer(simulation) {
  const run = await runSimulation(simulation, { simulationMode: 'Strict' })
  if (run.resultType === 'error') return { error: JSON.stringify(run.errors) }
  if (run.resultType !== 'single') return { error: 'the resource is a pattern, not one resource' }
  const { analysis, ignoredContextKeys } = run.result
  const reasons = analysis.result === 'Allowed' ? getGrantReasons(analysis) : getDenialReasons(analysis)
  return { result: analysis.result, ignored: ignoredContextKeys, blockedBy: analysis.blockedBy, reasons }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + '\n')
}
