package pcapfilter

// Constants are the names of numbers.
var Constants = constants
