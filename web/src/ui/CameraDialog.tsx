// A photograph by the device's camera, on pages that browsers let use it (https and localhost).
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { addPictures } from './attach.ts'
import { Dialog } from './Dialog.tsx'
import { showsCamera } from './state.ts'

export function CameraDialog() {
  return showsCamera.value ? (
    <Dialog title="Camera" close={() => (showsCamera.value = false)} class="picture-dialog">
      <Camera />
    </Dialog>
  ) : null
}

function Camera() {
  const video = useRef<HTMLVideoElement>(null)
  const fault = useSignal('')
  const isReady = useSignal(false)
  const facing = useSignal<'environment' | 'user'>('environment')
  useEffect(() => {
    let stream: MediaStream | null = null
    let isHere = true
    navigator.mediaDevices
      .getUserMedia({ video: { facingMode: facing.value, width: { ideal: 1920 } }, audio: false })
      .then((s) => {
        stream = s
        if (!isHere) return stopTracks(s)
        if (video.current) video.current.srcObject = s
      })
      .catch((e: DOMException) => {
        fault.value = e.name === 'NotAllowedError' ? 'The browser was not allowed to use the camera.' : 'There is no camera that works.'
      })
    return () => {
      isHere = false
      if (stream) stopTracks(stream)
    }
  }, [facing.value])
  if (fault.value) return <p>{fault.value}</p>
  return (
    <div class="stack">
      <div class="picture-large">
        <video ref={video} autoplay playsinline muted aria-label="What the camera sees" onLoadedData={() => (isReady.value = true)} />
      </div>
      <div class="buttons">
        <button type="button" class="primary" disabled={!isReady.value} onClick={() => void shoot(video.current!)}>
          Take the picture
        </button>
        <button type="button" onClick={() => (facing.value = facing.value === 'user' ? 'environment' : 'user')}>
          Other camera
        </button>
      </div>
    </div>
  )
}

const stopTracks = (stream: MediaStream): void => stream.getTracks().forEach((track) => track.stop())

async function shoot(video: HTMLVideoElement): Promise<void> {
  const canvas = document.createElement('canvas')
  canvas.width = video.videoWidth
  canvas.height = video.videoHeight
  canvas.getContext('2d')!.drawImage(video, 0, 0)
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92))
  showsCamera.value = false
  if (blob) await addPictures([new File([blob], 'photograph.jpg', { type: 'image/jpeg' })])
}
