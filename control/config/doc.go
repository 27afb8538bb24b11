// Package config reads the configuration file of an agent with many networks: YAML, whose
// keys are the words of vxtap up ([control.Words]), those of the node at the top and those
// of each network in the list "networks". What is wrong is said with its line and column.
//
// A file is data and nothing else: it has no anchors, aliases, merges, tags or second
// documents, with which a small file can be a large one.
package config
