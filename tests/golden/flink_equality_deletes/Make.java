import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableSchema;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.flink.TableLoader;
import org.apache.iceberg.flink.sink.FlinkSink;
import org.apache.iceberg.hadoop.HadoopCatalog;
import org.apache.iceberg.types.Types;

/** Makes the tables of this folder with Flink's own sink, and what Flink then reads out of them (see README.md). */
public class Make {
  static final Map<String, String> PROPERTIES = Map.of(
      "format-version", "2", "write.metadata.delete-after-commit.enabled", "true", "write.metadata.previous-versions-max", "1",
      "write.delete.parquet.compression-codec", "uncompressed");
  static final Schema SCHEMA = new Schema(
      Types.NestedField.optional(1, "id", Types.LongType.get()), Types.NestedField.optional(2, "kind", Types.StringType.get()),
      Types.NestedField.optional(3, "v", Types.DoubleType.get()), Types.NestedField.optional(4, "at", Types.TimestampType.withoutZone()),
      Types.NestedField.optional(5, "day", Types.DateType.get()), Types.NestedField.optional(6, "price", Types.DecimalType.of(9, 2)));

  static TableSchema flinkSchema() {
    return TableSchema.builder().field("id", DataTypes.BIGINT()).field("kind", DataTypes.STRING()).field("v", DataTypes.DOUBLE())
        .field("at", DataTypes.TIMESTAMP(6)).field("day", DataTypes.DATE()).field("price", DataTypes.DECIMAL(9, 2)).build();
  }

  static Row row(RowKind change, Long id, String kind, Integer v) {
    return Row.ofKind(change, id, kind, v == null ? null : v / 4.0,
        v == null ? null : LocalDateTime.of(2026, 1, 1, 0, 0).plusMinutes(v).plusNanos(1000L * v),
        v == null ? null : LocalDate.of(1969, 12, 25).plusDays(v), v == null ? null : BigDecimal.valueOf(v, 2));
  }

  static Row add(Long id, String kind, Integer v) { return row(RowKind.INSERT, id, kind, v); }
  static Row del(Long id, String kind, Integer v) { return row(RowKind.DELETE, id, kind, v); }
  static Row before(Long id, String kind, Integer v) { return row(RowKind.UPDATE_BEFORE, id, kind, v); }
  static Row after(Long id, String kind, Integer v) { return row(RowKind.UPDATE_AFTER, id, kind, v); }

  static HadoopCatalog catalog;
  static String warehouse;

  /** One job, one commit. */
  static void commit(String table, List<String> keys, boolean upsert, Row... rows) throws Exception {
    StreamExecutionEnvironment flink = StreamExecutionEnvironment.getExecutionEnvironment();
    flink.setParallelism(1);
    flink.enableCheckpointing(60_000);
    TableSchema schema = flinkSchema();
    TypeInformation<Row> type = new org.apache.flink.api.java.typeutils.RowTypeInfo(schema.getFieldTypes(), schema.getFieldNames());
    DataStream<Row> stream = flink.fromCollection(Arrays.asList(rows), type);
    FlinkSink.forRow(stream, schema).tableLoader(TableLoader.fromHadoopTable(catalog.loadTable(TableIdentifier.of("db", table)).location()))
        .equalityFieldColumns(keys).upsert(upsert).append();
    flink.execute(table);
  }

  static void changes() throws Exception {
    catalog.createTable(TableIdentifier.of("db", "changes"), SCHEMA, PartitionSpec.unpartitioned(), PROPERTIES);
    List<String> keys = List.of("id", "kind");
    commit("changes", keys, false, add(1L, "a", 1), add(2L, "b", 2), add(3L, null, 3), add(null, "d", 4), add(null, null, 5),
        add(6L, "", 6), add(7L, "g", null), add(8L, "h", 8), add(9L, "i", -9), add(10L, "\u00fc\ud83d\ude00", 10));
    // Keys with null, and the empty text, which is none.
    commit("changes", keys, false, del(3L, null, 3), before(null, "d", 4), after(null, "d", 40), del(6L, "", 6), add(6L, null, 60),
        del(10L, "\u00fc\ud83d\ude00", 10), add(11L, "k", 11));
    // Rows that come and go within one commit: position deletes.
    commit("changes", keys, false, add(12L, "l", 12), del(12L, "l", 12), add(12L, "l", 120), add(13L, "m", 13), del(13L, "m", 13),
        del(null, null, 5), add(null, null, 50), before(1L, "a", 1), after(1L, "a", 100));
    commit("changes", keys, false, del(1L, "a", 100), del(99L, "z", 0), add(14L, "n", 14), del(6L, null, 60));
  }

  static void partitions() throws Exception {
    PartitionSpec spec = PartitionSpec.builderFor(SCHEMA).identity("kind").bucket("id", 2).build();
    catalog.createTable(TableIdentifier.of("db", "partitions"), SCHEMA, spec, PROPERTIES);
    List<String> keys = List.of("id", "kind");
    commit("partitions", keys, true, add(1L, "a", 1), add(2L, "a", 2), add(3L, "a b/c", 3), add(4L, null, 4), add(null, "a", 5), add(6L, "a", 6));
    commit("partitions", keys, true, add(2L, "a", 20), add(4L, null, 40), add(7L, "a b/c", 7), del(6L, "a", 6));
    commit("partitions", keys, true, add(null, "a", 50), add(2L, "a", 200), add(2L, "a", 201), del(3L, "a b/c", 3));
  }

  /** As most people make such tables: SQL with a primary key; a column comes later. */
  static void sql() throws Exception {
    TableEnvironment flink = tables(false);
    flink.executeSql("CREATE TABLE c.db.upserts (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED) WITH ('format-version'='2', "
        + "'write.upsert.enabled'='true', 'write.metadata.delete-after-commit.enabled'='true', 'write.metadata.previous-versions-max'='1', "
        + "'write.delete.parquet.compression-codec'='uncompressed')").await();
    flink.executeSql("INSERT INTO c.db.upserts VALUES (1, 'one'), (2, 'two'), (3, 'three'), (4, CAST(NULL AS STRING))").await();
    catalog.loadTable(TableIdentifier.of("db", "upserts")).updateSchema().addColumn("extra", Types.IntegerType.get()).commit();
    flink = tables(false);
    flink.executeSql("INSERT INTO c.db.upserts VALUES (2, 'TWO', 2), (5, 'five', 5)").await();
    flink.executeSql("INSERT INTO c.db.upserts VALUES (4, 'four', CAST(NULL AS INT)), (2, 'zwei', 22), (2, 'deux', 222)").await();
  }

  static TableEnvironment tables(boolean batch) {
    Configuration configuration = new Configuration();
    configuration.setString("parallelism.default", "1");
    configuration.setString("execution.checkpointing.interval", "60s");
    EnvironmentSettings.Builder settings = EnvironmentSettings.newInstance().withConfiguration(configuration);
    TableEnvironment flink = TableEnvironment.create((batch ? settings.inBatchMode() : settings.inStreamingMode()).build());
    flink.executeSql("CREATE CATALOG c WITH ('type'='iceberg', 'catalog-type'='hadoop', 'warehouse'='" + warehouse + "', 'cache-enabled'='false')");
    return flink;
  }

  static void expect(String table, Path out) throws Exception {
    List<String> lines = new ArrayList<>();
    try (CloseableIterator<Row> rows = tables(true).executeSql("SELECT * FROM c.db." + table).collect()) {
      while (rows.hasNext()) {
        Row row = rows.next();
        List<String> values = new ArrayList<>();
        for (int i = 0; i < row.getArity(); i++) values.add(row.getField(i) == null ? "null" : row.getField(i).toString());
        lines.add(String.join("|", values));
      }
    }
    Collections.sort(lines);
    Files.write(out.resolve(table + ".rows.txt"), lines, StandardCharsets.UTF_8);
  }

  public static void main(String[] arguments) throws Exception {
    warehouse = arguments[0];
    catalog = new HadoopCatalog(new org.apache.hadoop.conf.Configuration(), warehouse);
    catalog.createNamespace(Namespace.of("db"));
    changes();
    partitions();
    sql();
    for (String table : List.of("changes", "partitions", "upserts")) expect(table, Path.of(arguments[1]));
    System.exit(0);
  }
}
