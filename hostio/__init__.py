"""Ports to the outside world and one real adapter for each.

What goes through here, and nowhere else in the programs of this project:

- starting programs, and ending them;
- devices, mounts and other calls to the kernel;
- the network, and sockets of this machine;
- the clock;
- writes that must outlive a power cut, and locks.

Plain reading of files is every module's own affair, and so is writing of what can
simply be made again: a build's outputs, a program's files below /run. Nothing here
knows the program that calls it: names, places and words for people are parameters.
"""
