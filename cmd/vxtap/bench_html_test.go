package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
)

// The page is whole: every element ends where it should, nothing is loaded from
// elsewhere, and names of the user's are text.
func TestBenchPage(t *testing.T) {
	page, err := sampleReport().page()
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	elements := make(map[string]int)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
		}
	}
	// Three measures; bars of three, two and two subjects that did not always fail.
	if elements["figure"] != 4 || elements["rect"] != 2*7 || elements["polyline"] != 2 {
		t.Errorf("elements: %v", elements)
	}
	if m := regexp.MustCompile(`(?i)https?:|src=|href=|url\(|@import|<link|<script|<iframe`).FindString(text); m != "" {
		t.Errorf("the page refers to something outside: %s", m)
	}
	for _, want := range []string{`name="viewport"`, "prefers-color-scheme: dark", "@media print", "A Processor", "failed in 1 of 3", "main.hot", "75.0 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<b>&#34;c", `a<b>"c`, "NaN", "Inf", "ZgotmplZ"} {
		if strings.Contains(text, bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
}

func TestNiceStep(t *testing.T) {
	for top, want := range map[float64]float64{0: 1, 1: 0.2, 7: 2, 9.9: 2, 16: 5, 250: 50, 4000: 1000} {
		if got := niceStep(top); math.Abs(got-want) > 1e-9 {
			t.Errorf("step up to %v: %v, want %v", top, got, want)
		}
	}
}

func TestLatencyTicks(t *testing.T) {
	r := &benchResult{Latency: []float64{13, 40, 180}}
	low, high := latencyRange([]*benchResult{r})
	if low > 13 || low < 5 || high < 180 || high > 210 {
		t.Errorf("range %v to %v", low, high)
	}
	if got := latencyTicks(low, high); len(got) != 5 || math.Abs(got[1]-20) > 1e-9 {
		t.Errorf("ticks %v", got)
	}
	if got := latencyTicks(10, 1e6); len(got) != 6 {
		t.Errorf("ticks over five decades: %v", got)
	}
	for p, want := range map[float64]float64{0: 0, 90: 33.33, 99: 66.67, 99.9: 100} {
		if got := tailPosition(p); math.Abs(got-want) > 0.01 {
			t.Errorf("position of %v %%: %v, want %v", p, got, want)
		}
	}
}
