import com.launchdarkly.eventsource.ConnectStrategy;
import com.launchdarkly.eventsource.ErrorStrategy;
import com.launchdarkly.eventsource.EventSource;
import com.launchdarkly.eventsource.FaultEvent;
import com.launchdarkly.eventsource.MessageEvent;
import com.launchdarkly.eventsource.StreamEvent;
import java.net.URI;
import java.util.concurrent.TimeUnit;

/** Follow URL: writes [event, id, data] for each event of the stream at URL. */
public final class Follow {
    private Follow() {
    }

    public static void main(String[] args) throws Exception {
        EventSource source = new EventSource.Builder(
            ConnectStrategy.http(URI.create(args[0])).readTimeout(60, TimeUnit.SECONDS))
            .errorStrategy(ErrorStrategy.alwaysContinue())
            .build();
        while (true) {
            StreamEvent event = source.readAnyEvent();
            if (event instanceof MessageEvent) {
                MessageEvent message = (MessageEvent) event;
                System.out.println("[" + quoted(message.getEventName()) + ", "
                    + quoted(message.getLastEventId()) + ", " + quoted(message.getData()) + "]");
            } else if (event instanceof FaultEvent) {
                System.err.println(((FaultEvent) event).getCause());
            }
        }
    }

    private static String quoted(String text) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : (text == null ? "" : text).toCharArray()) {
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < ' ') {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }
}
