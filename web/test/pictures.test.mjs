// Pictures: from files, drops, the clipboard, the camera; their crops.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { field, png, say, settled } from './browser.mjs'
import { attach, button, page, server } from './harness.mjs'

test('a picture from a file is shown with its crops, switched, sent, kept', async () => {
  await attach()
  await page.getByText('3 crops · 1,024 tokens').waitFor()
  await page.locator('.composer .chip-open').click()
  await page.getByText('4 views: the whole and 3 crops, 1,024 tokens').waitFor()
  assert.equal(await page.locator('.crops canvas').count(), 3)
  await page.getByLabel('Off', { exact: true }).check()
  await page.getByText('1 view, 256 tokens').waitFor()
  assert.equal(await page.locator('.crops canvas').count(), 0)
  await page.getByLabel('On', { exact: true }).check()
  await page.getByText('4 views').waitFor()
  await button('Close').click()
  await say(page, 'What is this?')
  await settled(page)
  const [picture, text] = server.requests[0].messages[0].content
  assert.equal(picture.type, 'image_url')
  assert.match(picture.image_url.url, /^data:image\/png;base64,iVBOR/)
  assert.equal(picture.image_url.detail, 'high')
  assert.deepEqual(text, { type: 'text', text: 'What is this?' })
  await page.reload()
  await page.locator('.from-user img').waitFor()
  assert.equal(await page.locator('.from-user img').evaluate((i) => i.naturalWidth), 1600)
  await page.locator('.from-user .chip-open').click()
  assert.equal(await page.locator('.pan-scan').count(), 0, 'what was sent is sent')
})

test('a picture is dropped', async () => {
  const bytes = [...(await png(page, 300, 300))]
  const data = await page.evaluateHandle((b) => {
    const transfer = new DataTransfer()
    transfer.items.add(new File([new Uint8Array(b)], 'dropped.png', { type: 'image/png' }))
    return transfer
  }, bytes)
  await page.dispatchEvent('.chat', 'dragenter', { dataTransfer: data })
  await page.locator('.drop').waitFor()
  await page.dispatchEvent('.chat', 'drop', { dataTransfer: data })
  await page.getByRole('button', { name: /Look at dropped\.png/ }).waitFor()
  assert.equal(await page.locator('.drop').count(), 0)
})

test('a picture is pasted; pasted text stays text', async () => {
  const bytes = [...(await png(page, 300, 300))]
  await field(page).evaluate((f, b) => {
    const transfer = new DataTransfer()
    transfer.items.add(new File([new Uint8Array(b)], 'pasted.png', { type: 'image/png' }))
    f.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true }))
  }, bytes)
  await page.getByRole('button', { name: /Look at pasted\.png/ }).waitFor()
  await page.getByRole('button', { name: 'Remove pasted.png' }).click()
  assert.equal(await page.locator('.chip').count(), 0)
})

test('a picture is taken with the camera', async () => {
  await button('Take a picture').click()
  await page.waitForFunction(() => document.querySelector('video')?.readyState >= 2)
  await button('Take the picture').click()
  await page.getByRole('button', { name: /Look at photograph\.jpg/ }).waitFor()
  await say(page, 'Who is that?')
  await settled(page)
  assert.match(server.requests[0].messages[0].content[0].image_url.url, /^data:image\/jpeg/)
})

test('what is no picture is refused in words, an SVG too, which may hold anything', async () => {
  const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><script>window.hit=1</script></svg>'
  for (const [name, mimeType, text] of [['notes.txt', 'text/plain', 'no picture'], ['drawing.svg', 'image/svg+xml', svg], ['broken.png', 'image/png', '']]) {
    await page.locator('#picture-input').setInputFiles({ name, mimeType, buffer: Buffer.from(text) })
    await page.getByText(`“${name}” is no picture`).waitFor()
  }
  assert.equal(await page.locator('.chip').count(), 0)
})

test('a model without eyes is offered no picture', async () => {
  server.capabilities = ['completion', 'tools']
  await page.reload()
  await page.getByText('text only').waitFor()
  assert.equal(await page.locator('#picture-input').count(), 0)
  assert.equal(await button('Take a picture').count(), 0)
})
