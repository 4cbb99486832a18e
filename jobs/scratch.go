package jobs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// folderPrefix begins the name of each folder in scratch that is locked by the
// process whose job it is of.
const folderPrefix = "job-"

// A folder holds the files of one running job. It is locked until it is removed
// or its process dies, which is how a sweep knows what was left behind.
type folder struct {
	path string
	lock *os.File
}

func newFolder(scratch, id string) (_ *folder, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make a scratch folder: %w", err)
		}
	}()
	// It gets its name only when it is locked: a sweep may run just now.
	unnamed, err := os.MkdirTemp(scratch, "new-*")
	if err != nil {
		return nil, err
	}
	l, err := lock(unnamed)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(unnamed))
	}
	named := filepath.Join(scratch, folderPrefix+id+"-"+strings.TrimPrefix(filepath.Base(unnamed), "new-"))
	if err := os.Rename(unnamed, named); err != nil {
		return nil, errors.Join(err, os.RemoveAll(unnamed), l.Close())
	}
	return &folder{path: named, lock: l}, nil
}

// remove deletes the folder and what is in it.
func (f *folder) remove() error {
	return errors.Join(os.RemoveAll(f.path), f.lock.Close())
}

// lock locks a folder for this process, unless another has it.
func lock(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// sweep removes the folders of jobs whose process died, and returns how many.
func sweep(scratch string) (int, error) {
	left, err := filepath.Glob(filepath.Join(scratch, folderPrefix+"*"))
	if err != nil {
		return 0, fmt.Errorf("sweep scratch: %w", err)
	}
	n := 0
	for _, path := range left {
		l, err := lock(path)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue // it is somebody's, or was just removed
		}
		if err == nil {
			err = errors.Join(os.RemoveAll(path), l.Close())
		}
		if err != nil {
			return n, fmt.Errorf("sweep scratch: %w", err)
		}
		n++
	}
	return n, nil
}

// outputShare is how much room an output may need besides its source, which it is
// rarely larger than; while an MP4 is closed it may be there twice.
const outputShare = 2

// reserve is what is left free, for logs and for others.
const reserve = 64 << 20

// LargestSource is the size in bytes of the largest source for which there is room
// in a folder now.
func LargestSource(scratch string) (int64, error) {
	free, err := room(scratch)
	return largestIn(free), err
}

func largestIn(free int64) int64 { return max(0, free-reserve) / (1 + outputShare) }

// room is how many bytes are free.
func room(scratch string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(scratch, &fs); err != nil {
		return 0, fmt.Errorf("look for room in %s: %w", scratch, err)
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}

// A noRoomError says that there is no room for the files of a job now.
type noRoomError struct {
	scratch            string
	free, source, need int64
}

func (e *noRoomError) Error() string {
	return fmt.Sprintf("no room in %s: %d bytes are free, a source of %d bytes needs %d", e.scratch, e.free, e.source, e.need)
}

// admit refuses a job for whose files there is no room now. It may be there when
// another job is done, or on another machine.
func admit(scratch string, source int64) error {
	free, err := room(scratch)
	if err != nil {
		return err
	}
	if source > largestIn(free) {
		return &noRoomError{scratch, free, source, source*(1+outputShare) + reserve}
	}
	return nil
}

// CheckScratch returns an error where the files of no job could be kept in a folder: a
// small file can't be written, flushed to the disk and read back, or fewer than 64 MiB are
// free, with which no source is taken. It takes milliseconds.
func CheckScratch(folder string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("scratch folder %s: %w", folder, err)
		}
	}()
	f, err := os.CreateTemp(folder, "check-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := os.Remove(f.Name()); err != nil { // while it is open: nothing is left where we are killed
		return err
	}
	want := bytes.Repeat([]byte("mosaicd\n"), 512)
	if _, err := f.Write(want); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	got := make([]byte, len(want))
	if _, err := f.ReadAt(got, 0); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("what was written is not what is read")
	}
	free, err := room(folder)
	if err == nil && free < reserve {
		err = fmt.Errorf("%d bytes are free, at least %d are needed", free, int64(reserve))
	}
	return err
}
