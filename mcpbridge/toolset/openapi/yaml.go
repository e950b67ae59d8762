package openapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxYAML bounds the values of a YAML document.
const maxYAML = 1 << 20

// readYAML reads a document as the JSON value that it stands for. Anchors,
// aliases and tags of applications have no place in an OpenAPI document (OpenAPI
// 3.1.0 §4.3) and would let a small file become a large value.
func readYAML(raw []byte) (any, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	var root yaml.Node
	if err := dec.Decode(&root); err != nil {
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one document")
	}
	r := &yamlReader{left: maxYAML}
	return r.value(&root, 0)
}

type yamlReader struct{ left int }

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if r.left--; r.left < 0 || depth > maxDepth+1 {
		return nil, fmt.Errorf("line %d: it has too many values or is nested too deep", n.Line)
	}
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return nil, fmt.Errorf("line %d: anchors and aliases are not read: use $ref", n.Line)
	}
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) != 1 {
			return nil, errors.New("it is empty")
		}
		return r.value(n.Content[0], depth)
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			v, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return r.mapping(n, depth)
	case yaml.ScalarNode:
		return scalar(n)
	}
	return nil, fmt.Errorf("line %d: it is not a value of JSON", n.Line)
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) (any, error) {
	members := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		// A status code is a number to YAML and a name to OpenAPI.
		if key.Kind != yaml.ScalarNode || key.Tag == "!!merge" || key.Anchor != "" {
			return nil, fmt.Errorf("line %d: a name must be text", key.Line)
		}
		if _, twice := members[key.Value]; twice {
			return nil, fmt.Errorf("line %d: %q stands twice", key.Line, key.Value)
		}
		v, err := r.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		members[key.Value] = v
	}
	return members, nil
}

// scalar returns what a scalar is in JSON. What JSON has no type for, such as a
// date, is text.
func scalar(n *yaml.Node) (any, error) {
	switch n.Tag {
	case "!!null":
		return nil, nil //nolint:nilnil // it is the value null
	case "!!bool":
		var b bool
		err := n.Decode(&b)
		return b, err
	case "!!int", "!!float":
		var f float64
		if err := n.Decode(&f); err != nil {
			return nil, err
		}
		if s := strconv.FormatFloat(f, 'g', -1, 64); s == "NaN" || s == "+Inf" || s == "-Inf" {
			return nil, fmt.Errorf("line %d: %s is not a number of JSON", n.Line, n.Value)
		}
		return f, nil
	case "!!str", "!!timestamp":
		return n.Value, nil
	}
	return nil, fmt.Errorf("line %d: the tag %s is not one of JSON", n.Line, n.Tag)
}
