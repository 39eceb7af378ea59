// Pictures: taken in from files, the clipboard or a camera, kept as they are in the browser's database, sent as data: URLs.
import * as db from '../data/db.ts'
import { newId, type Picture } from '../data/types.ts'

/** What the server reads; anything else that the browser can show is turned into a PNG first. */
const AS_IT_IS = new Set(['image/png', 'image/jpeg', 'image/webp', 'image/gif', 'image/bmp'])

export class NotAPicture extends Error {}

/** Stores a picture. */
export async function takeIn(file: Blob, name: string): Promise<Picture> {
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(file)
  } catch {
    throw new NotAPicture(`“${name}” is no picture that this browser can read.`)
  }
  const { width, height } = bitmap
  const blob = AS_IT_IS.has(file.type) ? file : await asPng(bitmap)
  bitmap.close()
  const id = newId()
  await db.put('pictures', { id, conversation: '', blob, taken: Date.now() })
  return { id, name, type: blob.type, width, height, detail: 'auto' }
}

async function asPng(bitmap: ImageBitmap): Promise<Blob> {
  const canvas = document.createElement('canvas')
  canvas.width = bitmap.width
  canvas.height = bitmap.height
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0)
  return new Promise((resolve, reject) => canvas.toBlob((b) => (b ? resolve(b) : reject(new NotAPicture('no room for this picture'))), 'image/png'))
}

/** Pictures that were sent belong to a conversation and go with it. */
export async function claim(pictures: Picture[], conversation: string): Promise<void> {
  for (const { id } of pictures) {
    const row = await db.get('pictures', id)
    if (row && row.conversation !== conversation) await db.put('pictures', { ...row, conversation })
  }
}

const DAY = 86_400_000

/** Removes pictures that were never sent; those of today may be another tab's. */
export async function sweep(): Promise<void> {
  for (const row of await db.ofConversation('pictures', '')) {
    if (row.taken < Date.now() - DAY) await db.remove('pictures', row.id)
  }
}

const urls = new Map<string, Promise<string | null>>()

/** A blob: URL to show it with; null: the picture is gone. Made once. */
export function urlOf(picture: Picture): Promise<string | null> {
  let url = urls.get(picture.id)
  if (!url) {
    url = db.get('pictures', picture.id).then((row) => (row ? URL.createObjectURL(row.blob) : null))
    urls.set(picture.id, url)
  }
  return url
}

export const asDataUrl = (blob: Blob): Promise<string> =>
  new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result as string)
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(blob)
  })

/** The data: URL that is sent. */
export async function bytesOf(picture: Picture): Promise<string> {
  const row = await db.get('pictures', picture.id)
  if (!row) throw new Error(`the picture “${picture.name}” is no longer there`)
  return asDataUrl(row.blob)
}
