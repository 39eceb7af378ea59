// Long conversations and long answers.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { say, settled } from './browser.mjs'
import { button, page, server } from './harness.mjs'
import { CODE, TABLE } from './texts.mjs'

test('a long conversation stays quick', async () => {
  const messages = []
  for (let i = 0; i < 400; i++) {
    messages.push({ id: `m${i}`, parent: i ? `m${i - 1}` : null, role: i % 2 ? 'assistant' : 'user', text: i % 2 ? `${CODE}\n\n${TABLE}` : `Question ${i}`, created: i })
  }
  const file = { format: 'carat-conversations', version: 1, conversations: [{ conversation: { title: 'Long', head: 'm399' }, messages, pictures: [] }] }
  await button('Settings').click()
  await page.locator('#import-input').setInputFiles({ name: 'x.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(file)) })
  await page.getByRole('link', { name: 'Long' }).click()
  await page.locator('.message').last().waitFor()
  assert.ok((await page.locator('.message').count()) <= 60)
  server.answer = () => ({ text: CODE, pause: 8 })
  // The work of the page while an answer streams, not its share of a busy machine.
  const client = await page.context().newCDPSession(page)
  await client.send('Performance.enable')
  const taskTime = async () => (await client.send('Performance.getMetrics')).metrics.find((m) => m.name === 'ScriptDuration').value
  const before = await taskTime()
  await say(page, 'One more')
  await page.waitForFunction(() => !document.querySelector('[aria-busy=true]') && document.querySelectorAll('.from-user').length > 0 && /One more/.test([...document.querySelectorAll('.said-text')].at(-1).textContent))
  await settled(page)
  const spent = (await taskTime()) - before
  assert.ok(spent < 3, `${spent.toFixed(2)} s of script for one answer`)
  await page.locator('.thread').evaluate((t) => (t.scrollTop = 0))
  await page.getByRole('button', { name: /earlier messages/ }).click()
  await page.waitForFunction(() => document.querySelectorAll('.message').length > 100)
})

test('it stays where one has scrolled to, and comes along at the end', async () => {
  server.answer = () => ({ text: 'line\n\n'.repeat(120), pause: 15 })
  await say(page, 'Long')
  await page.waitForFunction(() => document.querySelector('.thread').scrollHeight > 1600)
  const isAtEnd = () => {
    const t = document.querySelector('.thread')
    return t.scrollHeight - t.scrollTop - t.clientHeight < 60
  }
  await page.waitForFunction(isAtEnd)
  await page.mouse.move(700, 300)
  await page.mouse.wheel(0, -500)
  await page.waitForTimeout(400)
  assert.ok(!(await page.evaluate(isAtEnd)))
  await button('To the end').click()
  await page.waitForFunction(isAtEnd)
  await settled(page)
  assert.ok(await page.evaluate(isAtEnd))
})
