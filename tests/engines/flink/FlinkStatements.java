import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs statements on a small Flink cluster in this process. A line of input is
 * "batch" or "streaming", a number of rows after which to stop, and a statement, with tabs between. An
 * answer is a line for each row, as a JSON array, then "ok" or "error" with what is wrong; its lines
 * begin with "> ", since others print here, too.
 */
public class FlinkStatements {
  private static final Map<String, TableEnvironment> ENVIRONMENTS = new HashMap<>();
  private static final PrintStream ANSWERS = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  private static final Configuration SETTINGS = new Configuration();

  public static void main(String[] args) throws Exception {
    startCluster();
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      String[] parts = line.split("\t", 3);
      try {
        run(ENVIRONMENTS.computeIfAbsent(parts[0], FlinkStatements::open), Integer.parseInt(parts[1]), parts[2]);
        ANSWERS.println("> ok");
      } catch (Throwable problem) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = problem; cause != null; cause = cause.getCause()) {
          text.append(cause).append(" / ");
        }
        ANSWERS.println("> error " + text.toString().replaceAll("\\s+", " "));
      }
    }
    System.exit(0);
  }

  private static void startCluster() throws Exception {
    SETTINGS.setString("parallelism.default", "1");
    SETTINGS.setString("taskmanager.memory.network.min", "32m");
    SETTINGS.setString("taskmanager.memory.network.max", "32m");
    SETTINGS.setString("taskmanager.memory.managed.size", "96m");
    SETTINGS.setString("execution.checkpointing.interval", "500ms");
    SETTINGS.setString("restart-strategy.type", "none");
    SETTINGS.setString("rest.address", "127.0.0.1");
    SETTINGS.setString("rest.bind-address", "127.0.0.1");
    SETTINGS.setString("rest.bind-port", "0");
    SETTINGS.setString("table.dml-sync", "true");
    SETTINGS.setString("table.local-time-zone", "UTC");
    MiniCluster cluster =
        new MiniCluster(new MiniClusterConfiguration.Builder().setConfiguration(SETTINGS).setNumTaskManagers(1).setNumSlotsPerTaskManager(4).build());
    cluster.start();
    SETTINGS.setString("execution.target", "remote");
    SETTINGS.setString("rest.port", String.valueOf(cluster.getRestAddress().get().getPort()));
  }

  private static TableEnvironment open(String mode) {
    EnvironmentSettings.Builder builder = EnvironmentSettings.newInstance().withConfiguration(new Configuration(SETTINGS));
    return TableEnvironment.create((mode.equals("batch") ? builder.inBatchMode() : builder.inStreamingMode()).build());
  }

  private static void run(TableEnvironment environment, int most, String statement) throws Exception {
    TableResult result = environment.executeSql(statement);
    if (statement.startsWith("INSERT") || statement.contains(" AS SELECT ")) {
      return; // the rows would say how many rows were written, of which Flink knows nothing
    }
    int count = 0;
    try (CloseableIterator<Row> rows = result.collect()) {
      while (count < most && rows.hasNext()) {
        ANSWERS.println("> " + json(rows.next()));
        ++count;
      }
    }
    if (count == most && result.getJobClient().isPresent()) {
      result.getJobClient().get().cancel().exceptionally(ended -> null).get(30, TimeUnit.SECONDS);
    }
  }

  private static String json(Object value) {
    if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Long || value instanceof Short) {
      return String.valueOf(value);
    }
    if (value instanceof Double && Double.isFinite((Double) value)) {
      return value.toString();
    }
    StringBuilder text = new StringBuilder();
    if (value instanceof Row) {
      Row row = (Row) value;
      for (int i = 0; i < row.getArity(); ++i) {
        text.append(i == 0 ? "[" : ",").append(json(row.getField(i)));
      }
      return text.append("]").toString();
    }
    text.append('"');
    for (char c : value.toString().toCharArray()) {
      text.append(c < ' ' || c == '"' || c == '\\' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
    }
    return text.append('"').toString();
  }
}
