// Pictures of the page, to be looked at. Usage: node test/shots.mjs FOLDER
import { mkdirSync } from 'node:fs'
import { field, launch, open, png, settled } from './browser.mjs'
import { Double } from './double.mjs'
import { CODE, TABLE } from './texts.mjs'

const folder = process.argv[2] ?? 'shots'
mkdirSync(folder, { recursive: true })
const server = await new Double().start()
server.pause = 1
const browser = await launch()
const sizes = {
  light: { viewport: { width: 1280, height: 820 }, colorScheme: 'light' },
  dark: { viewport: { width: 1280, height: 820 }, colorScheme: 'dark' },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: 'light', isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
}

const only = process.argv[3]?.split(',')
for (const [name, options] of Object.entries(sizes)) {
  if (only && !only.includes(name)) continue
  const page = await open(browser, server.url, options)
  const shot = async (what) => {
    await page.waitForTimeout(250)
    await page.screenshot({ path: `${folder}/${name}-${what}.png` })
  }
  const say = async (of, text) => {
    await field(of).fill(text)
    await of.getByRole('button', { name: 'Send' }).click()
  }
  const settings = () => page.getByRole('button', { name: 'Settings' }).first()
  await page.waitForTimeout(200)
  await shot('1-empty')

  server.answer = () => ({ text: TABLE })
  await say(page, 'Which size of Gemma 3 suits a laptop with 16 GB of memory? Compare them in a table.')
  await settled(page)
  await shot('2-table')

  server.answer = () => ({ text: CODE, pause: 30 })
  await say(page, 'Write a ring buffer in C, with a short explanation.')
  await page.waitForTimeout(2300)
  await shot('3-streaming')
  server.pause = 1
  await page.keyboard.press('Escape')
  server.answer = () => ({ text: CODE })
  await page.getByRole('button', { name: 'Regenerate' }).last().click()
  await settled(page)
  await shot('4-code')

  server.answer = () => ({ text: 'A **range of green hills** under a hazy sky, with a low, orange sun to the right.' })
  await page.locator('#picture-input').setInputFiles({ name: 'hills.png', mimeType: 'image/png', buffer: await png(page, 1600, 600) })
  await page.locator('.chip').waitFor()
  await field(page).fill('What is in this picture?')
  await shot('5-picture')
  await page.locator('.composer .chip-open').click()
  await page.waitForTimeout(400)
  await shot('6-crops')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Send' }).click()
  await settled(page)
  await shot('7-picture-said')

  await settings().click()
  await page.getByRole('button', { name: 'Put an example there' }).click()
  await page.getByLabel('System prompt').fill('You answer in short sentences.')
  await shot('8-settings')
  await page.keyboard.press('Escape')
  server.answer = (body) =>
    body.messages.at(-1).role === 'tool'
      ? { text: 'In Bergen it is **9 °C** and raining.' }
      : { text: 'I look that up.', calls: [{ name: 'get_weather', arguments: '{"city": "Bergen"}' }] }
  await say(page, 'What is the weather like in Bergen?')
  await settled(page)
  await shot('9-call')
  await page.getByLabel('Its result').fill('{"temperature": 9, "sky": "rain", "wind": {"from": "SW", "speed": 11}}')
  await page.getByRole('button', { name: 'Give result' }).click()
  await settled(page)
  await shot('10-call-answered')

  server.answer = () => ({ status: 400, error: { message: 'the prompt has 9120 tokens, the context 8192', code: 'context_length_exceeded' } })
  await say(page, 'And tomorrow?')
  await settled(page)
  await shot('11-fault')

  await page.getByRole('link', { name: 'Memory planner' }).click()
  await page.locator('.grid').waitFor()
  await page.getByLabel('I have, in GiB').fill('6')
  await shot('12-planner')
  if (name === 'phone') {
    await page.getByRole('link', { name: 'Chat', exact: true }).click()
    await page.getByRole('button', { name: 'Show conversations' }).click()
    await shot('13-list')
  }
  for (const fault of page.faults) console.log(name, fault)
  await page.context().close()
}
await browser.close()
await server.stop()
