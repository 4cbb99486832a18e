"""How faces are usually covered in a Lambda function: OpenCV reads and writes the
pictures, and so loses the sound; ffmpeg takes that from the source as MP3, and
encodes everything once more to put it back."""

import json
import os
import subprocess
import sys
import tempfile

import cv2

CELLS = 8  # across a face, each way: about as coarse as the mosaic it is compared with


def read_looks(path):
    """The moments at which somebody looked, in ms and in order, each with its boxes."""
    with open(path) as file:
        page = json.load(file)
    looks = {}
    for entry in page["Faces"]:
        looks.setdefault(entry["Timestamp"], []).append(entry["Face"]["BoundingBox"])
    return sorted(looks.items())


def pixelate(frame, box):
    height, width = frame.shape[:2]
    left, top = max(int(box["Left"] * width), 0), max(int(box["Top"] * height), 0)
    right = min(int((box["Left"] + box["Width"]) * width), width)
    bottom = min(int((box["Top"] + box["Height"]) * height), height)
    if right <= left or bottom <= top:
        return
    small = cv2.resize(frame[top:bottom, left:right], (CELLS, CELLS), interpolation=cv2.INTER_LINEAR)
    frame[top:bottom, left:right] = cv2.resize(small, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)


def cover(source, looks, target):
    """Writes the pictures of source with the boxes of the last look covered."""
    capture = cv2.VideoCapture(source)
    if not capture.isOpened():
        sys.exit(f"OpenCV can't read {source}")
    rate = capture.get(cv2.CAP_PROP_FPS)
    size = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    writer = cv2.VideoWriter(target, cv2.VideoWriter_fourcc(*"mp4v"), rate, size)
    if not writer.isOpened():
        sys.exit(f"OpenCV can't write {target}")
    index, following, boxes = 0, 0, []
    while True:
        more, frame = capture.read()
        if not more:
            break
        while following < len(looks) and looks[following][0] <= index * 1000 / rate:
            boxes = looks[following][1]
            following += 1
        for box in boxes:
            pixelate(frame, box)
        writer.write(frame)
        index += 1
    capture.release()
    writer.release()


source, detections, output, ffmpeg, preset, crf = sys.argv[1:]
run = [ffmpeg, "-nostdin", "-loglevel", "error", "-y"]
with tempfile.TemporaryDirectory(dir=os.path.dirname(output)) as folder:
    pictures, sound = os.path.join(folder, "pictures.mp4"), os.path.join(folder, "sound.mp3")
    cover(source, read_looks(detections), pictures)
    subprocess.run(run + ["-i", source, "-vn", "-c:a", "libmp3lame", sound], check=True)
    subprocess.run(run + ["-i", pictures, "-i", sound, "-map", "0:v", "-map", "1:a", "-c:a", "copy",
                          "-c:v", "libx264", "-preset", preset, "-crf", crf, "-movflags", "+faststart", output], check=True)
