package jobs

import (
	"context"
	"errors"

	"github.com/mosaicd/mosaicd/jobs/collection"
)

// maxListedFaces keeps the record of a job to about a megabyte.
const maxListedFaces = 10_000

// people does what a message asks of a collection of faces.
func (h *Handler) people(ctx context.Context, s Step, r *Result) (err error) {
	p := s.People
	switch s.Kind {
	case KindFacesAdd:
		images := make([]collection.Image, len(p.Images))
		for i, at := range p.Images {
			images[i] = collection.Image{Name: at.String(), At: at}
		}
		r.Faces, err = collection.Add(ctx, h.rekognition, p.Collection, p.ExternalID, images)
	case KindFacesList:
		r.Faces, err = collection.List(ctx, h.rekognition, p.Collection)
		if n := len(r.Faces); n > maxListedFaces {
			return failf(CodeCollection, "collection %s has %d faces, a result lists %d: use \"mosaicd faces list\"", p.Collection, n, maxListedFaces)
		}
	case KindFacesRemove:
		r.Faces, err = collection.Remove(ctx, h.rekognition, p.Collection, p.ExternalID)
	}
	if final, ok := errors.AsType[*collection.Error](err); ok {
		return &Failure{Code: CodeCollection, Err: final}
	}
	return err
}
