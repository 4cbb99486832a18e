// Package output keeps the files that a command writes away from those that it reads, from each other, and from what is
// there already.
package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Name is a path on a command line.
type Name struct {
	What string // the command's name for it, as in DST or --report
	Path string
}

func (n Name) String() string { return n.What + " " + n.Path }

// A Refusal says that a Name can't be an output: the caller has to give another one.
type Refusal struct{ reason string }

func (r *Refusal) Error() string { return r.reason }

func refusef(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Check refuses an output that is an input or another output, under whichever name: of a link, or in another case where
// the file system has one for both. It refuses one that is there already, unless overwrite is set, and one that is no
// regular file. The error is a *Refusal, or says why an output's folder can't be looked at. Inputs that aren't there are
// passed over.
func Check(inputs, outputs []Name, overwrite bool) error {
	read := make([]os.FileInfo, len(inputs)) // nil where there is none
	for i, in := range inputs {
		read[i], _ = os.Stat(in.Path) // reading it will say what is wrong with it
	}
	var before []place
	for _, out := range outputs {
		p, err := locate(out)
		if err != nil {
			return err
		}
		for i, in := range inputs {
			if p.file != nil && read[i] != nil && os.SameFile(p.file, read[i]) {
				return refusef("%s is %s: an input, like the source, is never overwritten", out, in.What)
			}
		}
		for _, other := range before {
			if p.same(other) {
				return refusef("%s and %s are the same file: each output needs one of its own", other.name, out)
			}
		}
		switch {
		case p.file == nil:
		case !p.file.Mode().IsRegular():
			return refusef("%s is not a regular file", out)
		case !overwrite:
			return refusef("%s is there already: --overwrite replaces it", out)
		}
		before = append(before, p)
	}
	return nil
}

// A place is where an output goes.
type place struct {
	name   Name
	path   string      // with no link in it
	file   os.FileInfo // nil: there is none yet
	folder os.FileInfo
}

// maxLinks is how many links one after the other Linux follows.
// https://man7.org/linux/man-pages/man7/path_resolution.7.html
const maxLinks = 40

// locate follows the links of an output's name, also to a file that isn't there yet.
func locate(n Name) (place, error) {
	if n.Path == "" || os.IsPathSeparator(n.Path[len(n.Path)-1]) {
		return place{}, refusef("%s must be the name of a file (got %q)", n.What, n.Path)
	}
	p := place{name: n, path: n.Path}
	for range maxLinks {
		folder, err := filepath.EvalSymlinks(filepath.Dir(p.path))
		if err != nil {
			return place{}, fmt.Errorf("%s: its folder: %w", n.What, err)
		}
		if p.folder, err = os.Stat(folder); err != nil {
			return place{}, fmt.Errorf("%s: its folder: %w", n.What, err)
		}
		p.path = filepath.Join(folder, filepath.Base(p.path))
		info, err := os.Lstat(p.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return p, nil
		case err != nil:
			return place{}, fmt.Errorf("%s: %w", n.What, err)
		case info.Mode()&fs.ModeSymlink == 0:
			p.file = info
			return p, nil
		}
		target, err := os.Readlink(p.path)
		if err != nil {
			return place{}, fmt.Errorf("%s: %w", n.What, err)
		}
		if filepath.IsAbs(target) {
			p.path = target
		} else {
			p.path = folder + string(filepath.Separator) + target // not joined: the target may go up from a linked folder
		}
	}
	return place{}, refusef("%s: links that lead to each other", n)
}

// same reports whether two outputs are one file. Of files that aren't there yet only their file system knows whether
// two names that differ in case are one, so they are taken for one.
func (p place) same(q place) bool {
	if p.file != nil && q.file != nil {
		return os.SameFile(p.file, q.file)
	}
	return p.file == nil && q.file == nil && os.SameFile(p.folder, q.folder) &&
		strings.EqualFold(filepath.Base(p.path), filepath.Base(q.path))
}

// A File is an output that has another name until it is whole: what was there before stays until then, and for good when
// anything fails. Methods may be called after Keep and Discard, and do nothing.
type File struct {
	// Path is where to write. It is in the output's folder, and has its extension.
	Path      string
	place     place
	overwrite bool
	ended     bool
}

// Create makes an empty File for an output that was checked.
func Create(n Name, overwrite bool) (*File, error) {
	p, err := locate(n)
	if err != nil {
		return nil, err
	}
	extension := filepath.Ext(p.path)
	base := strings.TrimSuffix(filepath.Base(p.path), extension)
	base = strings.ToValidUTF8(base[:min(len(base), 100)], "") // a name has at most 255 bytes
	f, err := os.CreateTemp(filepath.Dir(p.path), "."+base+".*.part"+extension)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.What, err)
	}
	// CreateTemp keeps it to us; the result is as open as any file that we make.
	if err := errors.Join(f.Chmod(0o666&^umask()), f.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", n.What, err), os.Remove(f.Name()))
	}
	return &File{Path: f.Name(), place: p, overwrite: overwrite}, nil
}

// Write makes an output of what write writes.
func Write(n Name, overwrite bool, write func(io.Writer) error) error {
	f, err := Create(n, overwrite)
	if err != nil {
		return err
	}
	to, err := os.OpenFile(f.Path, os.O_WRONLY, 0)
	if err == nil {
		err = errors.Join(write(to), to.Close())
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", n.What, err)
	} else {
		err = f.Keep()
	}
	return errors.Join(err, f.Discard())
}

// Keep gives the file its name. What was put there meanwhile is not replaced, unless that was allowed.
func (f *File) Keep() error {
	if f.ended {
		return nil
	}
	err := f.rename()
	if errors.Is(err, fs.ErrExist) {
		return refusef("%s was made by somebody else meanwhile: --overwrite replaces it", f.place.name)
	} else if err != nil {
		return fmt.Errorf("%s: give it its name: %w", f.place.name.What, err)
	}
	f.ended = true
	return nil
}

func (f *File) rename() error {
	if f.overwrite {
		return os.Rename(f.Path, f.place.path)
	}
	err := unix.Renameat2(unix.AT_FDCWD, f.Path, unix.AT_FDCWD, f.place.path, unix.RENAME_NOREPLACE)
	if !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOSYS) {
		return err
	}
	// A file system that doesn't know that, such as NFS: a link is refused where there is a file.
	if err := os.Link(f.Path, f.place.path); err == nil || errors.Is(err, fs.ErrExist) {
		return errors.Join(err, os.Remove(f.Path))
	}
	// Nor links, such as FAT.
	if _, err := os.Lstat(f.place.path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fs.ErrExist)
	}
	return os.Rename(f.Path, f.place.path)
}

// Discard removes what is not kept.
func (f *File) Discard() error {
	if f.ended {
		return nil
	}
	f.ended = true
	if err := os.Remove(f.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
