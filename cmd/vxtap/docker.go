package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/vxtap/vxtap/control"
	"github.com/vxtap/vxtap/control/api"
	"github.com/vxtap/vxtap/control/docker"
)

const dockerHelp = `

Docker engines on this host find the driver by its socket:

  docker network create -d vxtap --ipam-driver vxtap -o vni=42 -o remote=10.9.0.2 \
      --subnet 10.1.0.0/16 --ip-range 10.1.1.0/24 lab
  docker run --network lab ...

The same VNI on two hosts joins their containers. Hosts do not know of each other's
addresses: give each an --ip-range of its own. With --ipam-driver vxtap an address that
was seen behind a remote, or that somebody there answers for, is not given out.
Options are vni=N, remote=A,B (all hosts', this one's is left out), mtu=N, sealed, and
Docker's own encrypted, com.docker.network.driver.mtu (that of the underlay) and
com.docker.network.driver.overlay.vxlanid_list.`

// dockerOptions is what flags say of Docker.
type dockerOptions struct {
	on, swarm     bool
	socket, state string
}

func (o *dockerOptions) flags(fs *pflag.FlagSet) {
	fs.BoolVar(&o.on, "docker", false, "be a network and IPAM driver of Docker engines")
	fs.StringVar(&o.socket, "docker-socket", docker.Socket, "`PATH` where engines look for it")
	fs.StringVar(&o.state, "state", "/var/lib/vxtap", "`DIR` in which is kept what engines asked for")
	fs.BoolVar(&o.swarm, "docker-swarm", false, "networks are of a whole swarm; for managed plugins only")
}

// beside has engines answered while serve runs, whose listener it closes if that cannot be.
// Networks that an engine had made before are there again when it begins.
func (o *dockerOptions) beside(ctx context.Context, agent *control.Agent, log *zap.Logger, serve func(context.Context) error, ln io.Closer) error {
	if !o.on {
		return serve(ctx)
	}
	d, err := docker.Open(docker.Config{
		Agent: agent, Cluster: agent.Alone(), Dir: o.state, Swarm: o.swarm, Logger: log, Routes: docker.HostRoutes,
	})
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	defer d.Close()
	plugin, err := api.Listen(o.socket)
	var use *api.InUseError
	if errors.As(err, &use) {
		err = fmt.Errorf("engines are answered on %s already: stop that vxtap first, or choose another --docker-socket", use.Path)
	}
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	log.Info("docker engines are answered", zap.Stringer("socket", plugin.Addr()))
	ctx, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() {
		defer stop() // engines are not to wait for who does not answer
		served <- d.Serve(ctx, plugin)
	}()
	err = serve(ctx)
	stop()
	return errors.Join(err, <-served)
}
