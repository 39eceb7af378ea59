// The planner, and the page on a phone, by keys alone, in both colours, to screen readers.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { field, open, png, say, settled } from './browser.mjs'
import { browser, button, page, server } from './harness.mjs'
import { CODE, TABLE } from './texts.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Findings of weight, as "rule: where". The order of headings within an answer is the model's matter. */
async function findings(of) {
  await of.evaluate(axe)
  const { violations } = await of.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }))
  return violations.filter((v) => v.impact === 'serious' || v.impact === 'critical' || v.impact === 'moderate').flatMap((v) => v.nodes.filter((n) => v.id !== 'heading-order' || !/block/.test(n.target)).map((n) => `${v.id}: ${n.target} ${n.failureSummary}`))
}

test('the planner has the grid of carat weigh, and says what a figure is made of', async () => {
  await page.getByRole('link', { name: 'Memory planner' }).click()
  await page.locator('.grid .cell').first().waitFor()
  assert.equal(await page.locator('.grid tbody tr').count(), 9)
  const cell = page.getByRole('button', { name: /^q4_k_m, 32,768 tokens: 4\.\d\d GiB/ })
  const figure = (await cell.textContent()).match(/4\.\d\d GiB/)[0] // the kernels' scratch is in it
  await cell.click()
  assert.equal(await cell.getAttribute('aria-pressed'), 'true')
  await page.getByRole('heading', { name: new RegExp(`${figure.replace('.', '\\.')} for q4_k_m with 32k`) }).waitFor()
  assert.match(await page.locator('.parts').innerText(), /Image tower/)
  await page.getByLabel('I have, in GiB').fill('5')
  assert.ok(await page.getByRole('button', { name: /q4_k_m, 32,768 tokens.*, fits/ }).count())
  assert.ok(await page.getByRole('button', { name: /bf16, 1,024 tokens.*does not fit/ }).count())
  await page.getByLabel('Model').last().selectOption('12b')
  await page.waitForFunction(() => /12B/.test(document.querySelector('.planner')?.textContent.match(/Gemma 3 \d+B,/)?.[0] ?? ''))
  await page.goBack()
  await field(page).waitFor()
})

test('at the width of a phone nothing is cut off, and all of it is in reach', async () => {
  const phone = await open(browser, server.url, { viewport: { width: 360, height: 720 }, isMobile: true, hasTouch: true })
  server.answer = () => ({ text: `${CODE}\n\n${TABLE}` })
  await field(phone).fill('Code and a table')
  await field(phone).press('Enter')
  assert.equal(await field(phone).inputValue(), 'Code and a table\n')
  await phone.getByRole('button', { name: 'Send' }).tap()
  await settled(phone)
  const wide = () => phone.evaluate(() => document.documentElement.scrollWidth)
  assert.equal(await wide(), 360)
  const small = await phone.evaluate(() => [...document.querySelectorAll('button, a, summary')].filter((b) => b.checkVisibility({ visibilityProperty: true }) && !b.closest('[inert]') && !b.closest('.prose')).filter((b) => b.getBoundingClientRect().width < 24 || b.getBoundingClientRect().height < 20).map((b) => b.outerHTML.slice(0, 90)))
  assert.deepEqual(small, [])
  await phone.getByRole('button', { name: 'Show conversations' }).tap()
  await phone.getByRole('link', { name: 'Code and a table' }).tap()
  await phone.getByRole('button', { name: 'Settings' }).tap()
  await phone.getByLabel('System prompt').fill('Short.')
  await phone.getByRole('button', { name: 'Close the settings' }).tap()
  await phone.getByRole('link', { name: 'Memory planner' }).tap()
  await phone.locator('.grid .cell').first().waitFor()
  assert.equal(await wide(), 360)
  assert.deepEqual(phone.faults, [])
  await phone.context().close()
})

test('everything works by keys alone', async () => {
  const press = async (...keys) => {
    for (const key of keys) await page.keyboard.press(key)
  }
  const focused = () => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent)
  assert.equal(await focused(), 'Message')
  await page.keyboard.type('first line')
  await press('Shift+Enter')
  await page.keyboard.type('second')
  await press('Enter')
  await settled(page)
  assert.equal(server.requests[0].messages[0].content, 'first line\nsecond')
  // The last message is edited with the arrow key.
  await press('ArrowUp')
  await page.getByLabel('Edit your message').waitFor()
  await page.keyboard.type(' more')
  await press('Control+Enter')
  await page.locator('.branches').first().waitFor()
  await settled(page)
  assert.equal(server.requests[1].messages[0].content, 'first line\nsecond more')
  // A long answer is stopped with Escape.
  server.answer = () => ({ text: 'word '.repeat(500), pause: 25 })
  await page.keyboard.type('go')
  await press('Enter')
  await page.getByText(/word word/).waitFor()
  await press('Escape')
  await settled(page)
  assert.equal(server.cancelled, 1)
  // By Tab from the field back to the answer's buttons.
  let name = ''
  for (let i = 0; i < 12 && name !== 'Regenerate'; i++) {
    await press('Shift+Tab')
    name = await focused()
  }
  assert.equal(name, 'Regenerate')
  server.answer = () => ({ text: 'Anew.' })
  await press('Enter')
  await page.getByText('Anew.', { exact: true }).waitFor()
  // A menu opens, is walked through, closes.
  await page.locator('.is-last').getByRole('button', { name: 'More' }).focus()
  await press('Enter')
  await page.getByRole('menuitem').first().waitFor()
  await press('ArrowDown')
  assert.match(await focused(), /New conversation from here/)
  await press('Escape')
  assert.equal(await focused(), 'More')
  // Settings, list of keys, conversations.
  await press('Control+,')
  await page.getByLabel('System prompt').waitFor()
  await page.waitForFunction(() => document.activeElement.tagName === 'TEXTAREA')
  await press('Escape')
  await page.waitForFunction(() => document.activeElement.id === 'settings-button')
  await press('?')
  await page.getByRole('dialog').waitFor()
  await press('Escape')
  await page.getByRole('dialog').waitFor({ state: 'detached' })
  await press('Control+b')
  assert.ok(await page.locator('.sidebar').evaluate((s) => s.inert))
  await press('Control+b', '/')
  assert.equal(await focused(), 'Message')
  await press('Control+Shift+o')
  await page.getByRole('heading', { name: 'Start a conversation' }).waitFor()
  assert.equal(await focused(), 'Message')
})

for (const colorScheme of ['light', 'dark']) {
  test(`a scan of accessibility finds nothing of weight: ${colorScheme}`, async () => {
    const of = await open(browser, server.url, { colorScheme, reducedMotion: 'reduce' })
    const scan = async (what) => {
      await of.waitForTimeout(200)
      assert.deepEqual(await findings(of), [], what)
    }
    await scan('empty')
    server.answer = () => ({ text: `${TABLE}\n\n${CODE}` })
    await say(of, 'Everything')
    await settled(of)
    await of.getByRole('button', { name: 'Regenerate' }).click()
    await of.locator('.branches').waitFor()
    await settled(of)
    await scan('answers')
    await of.locator('#picture-input').setInputFiles({ name: 'hills.png', mimeType: 'image/png', buffer: await png(of, 1600, 600) })
    await of.locator('.composer .chip-open').click()
    await of.locator('.crops canvas').first().waitFor()
    await scan('picture')
    await of.keyboard.press('Escape')
    await of.getByRole('button', { name: 'Settings' }).click()
    await of.getByRole('button', { name: 'Put an example there' }).click()
    await of.getByRole('radio', { name: 'Schema' }).check()
    await of.getByText('More', { exact: true }).click()
    await scan('settings')
    await of.getByRole('radio', { name: 'Text' }).check()
    await of.getByRole('button', { name: 'Close the settings' }).click()
    server.answer = () => ({ calls: [{ name: 'get_weather', arguments: '{"city": "Bergen", "days": [1, 2, 3], "detail": "all that there is to know about it"}' }] })
    await say(of, 'Weather')
    await of.getByText('waits for a result').waitFor()
    await scan('call')
    server.answer = () => ({ status: 500, error: { message: 'no memory' } })
    await of.getByRole('button', { name: 'Decline' }).click()
    await of.getByRole('alert').waitFor()
    await of.locator('.row').first().hover()
    await of.getByRole('button', { name: /Options of/ }).click()
    await scan('fault, menu')
    await of.keyboard.press('Escape')
    await of.getByRole('link', { name: 'Memory planner' }).click()
    await of.locator('.grid .cell').first().waitFor()
    await of.getByLabel('I have, in GiB').fill('5')
    await scan('planner')
    await of.keyboard.press('Escape')
    await of.locator('h1').click()
    await of.keyboard.press('?')
    await scan('keys')
    assert.deepEqual(of.faults, [])
    await of.context().close()
  })
}

test('colours follow the system or the choice, which is kept', async () => {
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const light = await paper()
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await paper()
  assert.notEqual(light, dark)
  await button('Light').click()
  assert.equal(await paper(), light)
  await page.reload()
  await field(page).waitFor()
  assert.equal(await paper(), light)
  await button('Dark').click()
  await page.emulateMedia({ colorScheme: 'light' })
  assert.equal(await paper(), dark)
})
