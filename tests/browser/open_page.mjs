// Opens a page that is a file in Chromium, as each of the readers given, and prints what it found, as JSON.
// node open_page.mjs <folder with node_modules> <program of Chromium> <page> <readers, as JSON>
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [packages, program, page, readers] = process.argv.slice(2)
const require = createRequire(join(packages, 'package.json'))
const { chromium } = require('playwright-core')
const axe = require('axe-core').source

// As root, which containers often run as, Chromium cannot make its sandbox; the page is our own and runs nothing.
const browser = await chromium.launch({
  executablePath: program,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
})
const found = []
for (const { width, height, colorScheme } of JSON.parse(readers)) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme })
  const tab = await context.newPage()
  const said = []
  tab.on('console', (message) => said.push(message.text()))
  tab.on('pageerror', (error) => said.push(String(error)))
  tab.on('request', (request) => request.url().startsWith('file:') || said.push(`asked for ${request.url()}`))
  const devtools = await context.newCDPSession(tab)
  await devtools.send('Performance.enable')
  await tab.goto(pathToFileURL(page).href, { waitUntil: 'load' })
  await tab.evaluate(() => new Promise((painted) => requestAnimationFrame(() => setTimeout(painted))))
  const { metrics } = await devtools.send('Performance.getMetrics')
  const overflow = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
  await tab.evaluate(axe)
  const { violations, passes } = await tab.evaluate(() => axe.run())
  found.push({
    said,
    overflow,
    // Tables that are wider than the page, in which one scrolls sideways.
    wide: await tab.evaluate(() =>
      [...document.querySelectorAll('.scroll')]
        .filter((part) => part.scrollWidth > part.clientWidth)
        .map((part) => part.ariaLabel),
    ),
    seconds: metrics.find(({ name }) => name === 'TaskDuration').value,
    passes: passes.length,
    violations: violations.map(({ id, nodes }) => ({ id, targets: nodes.map(({ target }) => String(target)) })),
    focusable: await tab.evaluate(() => document.querySelectorAll('[tabindex="0"]').length),
  })
  await context.close()
}
await browser.close()
process.stdout.write(JSON.stringify(found))
