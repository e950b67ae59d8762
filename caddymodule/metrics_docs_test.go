package caddymodule

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// documentedMetric is a row of the table in docs/metrics.md.
type documentedMetric struct{ kind, labels string }

// The text of a description is the only way to what it says.
var descPattern = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "([^"]*)", unit: "", constLabels: \{\}, variableLabels: \{([^}]*)\}\}$`)

// registeredMetrics are the name, type and labels of every collector.
func registeredMetrics(t *testing.T) map[string]documentedMetric {
	t.Helper()
	found := map[string]documentedMetric{}
	for _, c := range newMetrics().collectors {
		descs := make(chan *prometheus.Desc, 8)
		c.Describe(descs)
		close(descs)
		for desc := range descs {
			m := descPattern.FindStringSubmatch(desc.String())
			if m == nil {
				t.Fatalf("%s is not understood", desc)
			}
			kind := ""
			switch c.(type) {
			case prometheus.Gauge, *prometheus.GaugeVec: // every gauge has the methods of a counter, too
				kind = "gauge"
			case prometheus.Counter, *prometheus.CounterVec:
				kind = "counter"
			case *prometheus.HistogramVec:
				kind = "histogram"
			default:
				t.Fatalf("%s is a %T", m[1], c)
			}
			if !strings.HasSuffix(m[2], ".") {
				t.Errorf("%s: the help %q is no sentence", m[1], m[2])
			}
			found[m[1]] = documentedMetric{kind, strings.ReplaceAll(m[3], ",", " ")}
		}
	}
	return found
}

func TestTheTableOfMetricsIsWhatIsRegistered(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]documentedMetric{}
	for line := range strings.Lines(string(page)) {
		if !strings.HasPrefix(line, "| `mcp_edge_") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|\n "), "|")
		if len(cells) != 5 {
			t.Fatalf("the row has %d cells, want 5: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
			if cells[i] == "" && i != 2 {
				t.Errorf("an empty cell in %s", line)
			}
		}
		labels := strings.NewReplacer("`", "", ",", "").Replace(cells[2])
		documented[strings.Trim(cells[0], "`")] = documentedMetric{cells[1], labels}
	}
	if diff := cmp.Diff(registeredMetrics(t), documented, cmp.AllowUnexported(documentedMetric{})); diff != "" {
		t.Errorf("registered (-), documented (+):\n%s", diff)
	}
	names := regexp.MustCompile(`mcp_edge_\w+`).FindAllString(string(page), -1)
	for _, name := range names {
		base := strings.TrimSuffix(name, "_bucket")
		if _, ok := documented[base]; !ok && name != "mcp_edge_" {
			t.Errorf("the page names %s, which is not in its table", name)
		}
	}
	if !slices.Contains(names, "mcp_edge_refresh_reuse_age_seconds_bucket") {
		t.Error("the page does not say how to choose a grace")
	}
}

func TestNamesAndUnitsFollowTheConventionsOfPrometheus(t *testing.T) {
	for name, m := range registeredMetrics(t) {
		if (m.kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s: counters, and only they, end in _total", name, m.kind)
		}
		if m.kind == "histogram" && !strings.HasSuffix(name, "_seconds") {
			t.Errorf("%s has no base unit in its name", name)
		}
		if !strings.HasPrefix(name, "mcp_edge_") {
			t.Errorf("%s is not named for the product", name)
		}
	}
}
