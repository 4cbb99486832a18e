package transcode

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// maxInputs of one job.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/assembling-multiple-inputs-and-input-clips.html
const maxInputs = 150

// Job returns a CreateJob request for one source. Nobody else has the structs of
// it.
//
// The first input reads r.Input; a document without inputs gets the one of
// BuiltIn. Clips make as many inputs as they need, all of them copies of the first
// but for the file and its parts; their timecodes count from the start of the
// file. Inputs after the document's first stay as they are. Tokens such as $fn$
// are left to MediaConvert.
//
// A document that names a job template and has no output groups of its own writes
// where the template says.
func (d *Document) Job(r Rewrite) (*mediaconvert.CreateJobInput, error) {
	in, err := d.decode()
	if err != nil {
		return nil, err
	}
	if err := r.apply(d, in.Settings); err != nil {
		return nil, fmt.Errorf("job file %s: %w", printable(d.Name), err)
	}
	return in, nil
}

func (r Rewrite) apply(d *Document, s *types.JobSettings) error {
	if !strings.HasPrefix(r.Input, scheme) {
		return fmt.Errorf("input %s: must be an s3:// URI", quote(r.Input))
	}
	if !strings.HasPrefix(r.Destination, scheme) || !strings.HasSuffix(r.Destination, "/") {
		return fmt.Errorf("destination %s: must be an s3:// URI that ends with a slash", quote(r.Destination))
	}
	inputs, err := r.inputs(d, s.Inputs)
	if err != nil {
		return err
	}
	if len(inputs) > maxInputs {
		return fmt.Errorf("%d inputs: MediaConvert takes %d", len(inputs), maxInputs)
	}
	for i := range inputs {
		inputs[i].InputClippings = tidy(inputs[i].InputClippings)
	}
	s.Inputs = inputs
	for i, g := range s.OutputGroups {
		if err := r.relocate(g.OutputGroupSettings); err != nil {
			return fmt.Errorf("%s: %w", item("OutputGroups", i), err)
		}
	}
	return nil
}

func (r Rewrite) relocate(s *types.OutputGroupSettings) error {
	if s == nil {
		return errors.New("has no OutputGroupSettings")
	}
	to, _ := destinationOf(s)
	if to == nil {
		return fmt.Errorf("unknown type %s: must be one of %s", quote(string(s.Type)), strings.Join(groupTypes(), ", "))
	}
	*to = new(relocate(deref(*to), r.Destination))
	return nil
}

// inputs puts the source, or the clips, in the place of the document's first
// input.
func (r Rewrite) inputs(d *Document, inputs []types.Input) ([]types.Input, error) {
	if len(inputs) == 0 {
		first, err := d.firstInput()
		if err != nil {
			return nil, err
		}
		inputs = []types.Input{first}
	}
	if len(r.Clips) == 0 {
		inputs[0].FileInput = &r.Input
		return inputs, nil
	}
	parts, err := cuts(r.Clips, r.Input)
	if err != nil {
		return nil, err
	}
	clipped := make([]types.Input, len(parts))
	for i, part := range parts {
		if clipped[i], err = d.firstInput(); err != nil {
			return nil, err
		}
		clipped[i].FileInput, clipped[i].InputClippings = &part.source, part.clippings
		if part.clippings != nil {
			// By default they would be held against the timecodes in the file.
			clipped[i].TimecodeSource, clipped[i].TimecodeStart = types.InputTimecodeSourceZerobased, nil
		}
	}
	return append(clipped, inputs[1:]...), nil
}

// firstInput is another one each time, down to the last pointer.
func (d *Document) firstInput() (types.Input, error) {
	in, err := d.decode()
	if err != nil {
		return types.Input{}, err
	}
	if len(in.Settings.Inputs) > 0 {
		return in.Settings.Inputs[0], nil
	}
	return BuiltIn().firstInput()
}
