"""One real node for a control plane of this machine: kubelet, containerd and kube-proxy, in a box of their own.

The box is a process in mount, network and PID namespaces of its own, with everything of the node in it. When it
ends, however that happens, the kernel takes away what was in it: containers, mounts, network devices, nftables rules.
Nothing of the machine's own containerd, network or kernel settings is touched.
"""
