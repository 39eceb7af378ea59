// Pictures on their way into the next message: from the file dialog, a drop, the clipboard, the camera.
import { signal } from '@preact/signals'
import type { Picture } from '../data/types.ts'
import { NotAPicture, takeIn } from '../pictures/pictures.ts'
import { say, tell } from './state.ts'

export const draftText = signal('')
export const draftPictures = signal<Picture[]>([])

const MAX = 16

export async function addPictures(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    if (draftPictures.value.length >= MAX) return tell(`A message takes ${MAX} pictures at most.`)
    try {
      const picture = await takeIn(file, file.name || 'picture')
      draftPictures.value = [...draftPictures.value, picture]
      say(`Picture ${picture.name} is attached.`)
    } catch (e) {
      tell(e instanceof NotAPicture ? e.message : 'This picture could not be kept: is the browser’s storage full?')
    }
  }
}

export const changePicture = (changed: Picture): void => {
  draftPictures.value = draftPictures.value.map((p) => (p.id === changed.id ? changed : p))
}

export const removePicture = (id: string): void => {
  draftPictures.value = draftPictures.value.filter((p) => p.id !== id)
}

const filesOf = (data: DataTransfer | null): File[] => [...(data?.files ?? [])]

/** Pasted pictures are taken; pasted text stays the browser's matter. */
export function onPaste(event: ClipboardEvent): void {
  const files = filesOf(event.clipboardData)
  if (!files.length) return
  event.preventDefault()
  void addPictures(files)
}

export function onDrop(event: DragEvent): void {
  event.preventDefault()
  const files = filesOf(event.dataTransfer)
  if (files.length) void addPictures(files)
}

/** True where the browser lets a page use the camera. */
export const hasCamera = (): boolean => Boolean(navigator.mediaDevices?.getUserMedia) && isSecureContext
