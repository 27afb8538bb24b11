package main

import (
	"fmt"
	"path/filepath"
)

// profileEnv has the end of a subject at a host write a profile, if asked for.
func (l *benchLab) profileEnv(subject, host string) []string {
	if l.profile == "" {
		return nil
	}
	return []string{profileVariable + "=" + l.profilePath(subject, host)}
}

func (l *benchLab) profilePath(subject, host string) string {
	return filepath.Join(l.profile, fmt.Sprintf("vxtap-bench-%s-%d-%s-%s.pprof", l.underlay, l.mtu, subject, host))
}

// readProfiles adds to the report what the vxtaps, which have ended, left.
func (l *benchLab) readProfiles() error {
	if l.profile == "" {
		return nil
	}
	for _, s := range l.subjects {
		if len(s.ends) == 0 {
			continue
		}
		for _, host := range []string{"a", "b"} {
			h := benchHotspots{Subject: s.name, End: host, Underlay: string(l.underlay), MTU: l.mtu, File: l.profilePath(s.name, host)}
			var err error
			if h.Seconds, h.Functions, err = readHotspots(h.File); err != nil {
				return err
			}
			l.report.Profiles = append(l.report.Profiles, h)
		}
	}
	return nil
}
