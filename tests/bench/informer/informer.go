// Command informer is the peer of the watcher's benchmarks: what a Go program
// usually does to follow a cluster. It is a client-go SharedInformerFactory for
// the watcher's fourteen kinds with one handler, which takes a trivial status of
// each object and drops it. README.md says how to run and read it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	exitFailed = 1
	exitUsage  = 2
	// How many requests for a `now` line may wait; more are answered by the
	// lines that are under way.
	requestsMax = 16
)

type options struct {
	kubeconfig  string
	kinds       []*kind
	resync      time.Duration
	metadata    bool
	noWatchList bool
	timeout     time.Duration
}

// report is one line of output, without its first word.
type report struct {
	Objects  int64            `json:"objects"`  // seen and not deleted since
	Events   int64            `json:"events"`   // calls of the handler since the start
	Initial  int64            `json:"initial"`  // those of them that were first lists
	Statuses map[string]int64 `json:"statuses"` // how often the handler came to each
	Seconds  float64          `json:"seconds"`  // since the start of the program
	usage
}

func main() {
	begin := time.Now()
	opt, err := parseOptions(os.Args[1:])
	if err == flag.ErrHelp {
		os.Exit(0)
	} else if err != nil {
		fmt.Fprintf(os.Stderr, "informer: %v\n  remedy: informer --help\n", err)
		os.Exit(exitUsage)
	}
	if err := run(opt, begin); err != nil {
		fmt.Fprintf(os.Stderr, "informer: %v\n", err)
		os.Exit(exitFailed)
	}
}

func parseOptions(args []string) (*options, error) {
	opt := &options{}
	names := ""
	flags := flag.NewFlagSet("informer", flag.ContinueOnError)
	flags.StringVar(&opt.kubeconfig, "kubeconfig", "",
		"the cluster (default: as kubectl finds it)")
	flags.StringVar(&names, "kinds", strings.Join(kindNames(), ","),
		"what to follow, separated by commas")
	flags.DurationVar(&opt.resync, "resync", 0,
		"how often client-go repeats all objects to the handler; 0: never")
	flags.BoolVar(&opt.metadata, "metadata", false,
		"metadata informers for secrets and configmaps")
	flags.BoolVar(&opt.noWatchList, "no-watch-list", false,
		"list, then watch, instead of one watch that begins with all objects")
	flags.DurationVar(&opt.timeout, "timeout", 10*time.Minute,
		"give up when the first sync takes longer")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	var err error
	opt.kinds, err = kindsByName(strings.Split(names, ","))
	return opt, err
}

// loadConfig reads the kubeconfig. Content types stay as client-go has them for
// such a client: JSON. The client's own limit of requests per second is off,
// since its burst is smaller than fourteen kinds.
func loadConfig(path string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		rules, &clientcmd.ConfigOverrides{})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	if !rest.IsConfigTransportTLS(*config) {
		// clientcmd leaves the token out of plain HTTP; the simulator wants it.
		raw, err := loader.RawConfig()
		if err != nil {
			return nil, fmt.Errorf("kubeconfig: %w", err)
		}
		if c := raw.Contexts[raw.CurrentContext]; c != nil && raw.AuthInfos[c.AuthInfo] != nil {
			config.BearerToken = raw.AuthInfos[c.AuthInfo].Token
		}
	}
	config.UserAgent = "sluice-bench-informer"
	config.QPS = -1
	return config, nil
}

// start sets up and starts an informer for each kind; the result tells for each
// when the handler has seen its first list.
func start(ctx context.Context, opt *options, count *counter) ([]cache.DoneChecker, error) {
	config, err := loadConfig(opt.kubeconfig)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("metadata client: %w", err)
	}
	typed := informers.NewSharedInformerFactory(client, opt.resync)
	partial := metadatainformer.NewSharedInformerFactory(meta, opt.resync)
	var synced []cache.DoneChecker
	for _, k := range opt.kinds {
		var informer informers.GenericInformer
		if opt.metadata && k.onlyMetadata {
			informer = partial.ForResource(k.resource)
		} else if informer, err = typed.ForResource(k.resource); err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		handle, err := informer.Informer().AddEventHandler(count.handler(k))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
		synced = append(synced, named{handle.HasSyncedChecker(), k.resource})
	}
	typed.StartWithContext(ctx)
	partial.Start(ctx.Done())
	return synced, nil
}

// named is a DoneChecker that says which resource it is for.
type named struct {
	cache.DoneChecker
	resource schema.GroupVersionResource
}

func (n named) Name() string {
	return n.resource.Resource
}

// waitAll waits for all of synced; the names of those that were late.
func waitAll(ctx context.Context, synced []cache.DoneChecker) []string {
	var late []string
	for _, s := range synced {
		select {
		case <-s.Done():
			continue
		default:
		}
		select {
		case <-s.Done():
		case <-ctx.Done():
			late = append(late, s.Name())
		}
	}
	return late
}

func run(opt *options, begin time.Time) error {
	if opt.noWatchList {
		// Read once by client-go, when the first informer starts.
		if err := os.Setenv("KUBE_FEATURE_WatchListClient", "false"); err != nil {
			return err
		}
	}
	end, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	requests := make(chan os.Signal, requestsMax)
	signal.Notify(requests, syscall.SIGUSR1)
	go readRequests(requests)

	count := &counter{}
	synced, err := start(end, opt, count)
	if err != nil {
		return err
	}
	first, cancel := context.WithTimeout(end, opt.timeout)
	defer cancel()
	late := make(chan []string, 1)
	go func() { late <- waitAll(first, synced) }()
	for {
		select {
		case <-end.Done():
			return nil
		case names := <-late:
			if len(names) > 0 && end.Err() == nil {
				return fmt.Errorf("not synced after %v: %s\n  remedy: see client-go's lines above",
					opt.timeout, strings.Join(names, ", "))
			}
			if len(names) == 0 {
				err = print("synced", count, begin)
			}
		case <-requests:
			err = print("now", count, begin)
		}
		if err != nil {
			return err
		}
	}
}

// readRequests asks for a `now` line at each line on standard input, until that
// ends.
func readRequests(requests chan<- os.Signal) {
	var piece [4096]byte
	for {
		n, err := os.Stdin.Read(piece[:])
		for _, c := range piece[:n] {
			if c == '\n' {
				requests <- syscall.SIGUSR1
			}
		}
		if err != nil {
			return
		}
	}
}

func print(word string, count *counter, begin time.Time) error {
	line := report{Seconds: float64(time.Since(begin).Microseconds()) / 1e6}
	var err error
	if line.usage, err = readUsage(); err != nil {
		return err
	}
	count.fill(&line)
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err = fmt.Printf("%s %s\n", word, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}
