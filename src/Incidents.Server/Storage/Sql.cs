using Npgsql;

namespace Incidents.Server.Storage;

/// <summary>Short forms for the hot paths, which write many rows with one statement: each column is an array, <c>unnest</c> makes rows of them.</summary>
internal static class Sql
{
    public static NpgsqlParameter<T> P<T>(T value) => new() { TypedValue = value };

    /// <summary>A parameter that may be null; the type is given by <typeparamref name="T"/>.</summary>
    public static NpgsqlParameter Nullable<T>(T? value) where T : struct => value is { } given ? new NpgsqlParameter<T> { TypedValue = given } : new NpgsqlParameter { Value = DBNull.Value };

    public static NpgsqlParameter Text(string? value) => new() { Value = (object?)value ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text };

    public static NpgsqlParameter<TColumn[]> Column<TRow, TColumn>(IReadOnlyList<TRow> rows, Func<TRow, TColumn> value)
    {
        var column = new TColumn[rows.Count];
        for (var i = 0; i < column.Length; i++) column[i] = value(rows[i]);
        return new NpgsqlParameter<TColumn[]> { TypedValue = column };
    }

    public static void Add(this NpgsqlBatch batch, string sql, params ReadOnlySpan<NpgsqlParameter> parameters)
    {
        var command = batch.CreateBatchCommand();
        command.CommandText = sql;
        foreach (var parameter in parameters) command.Parameters.Add(parameter);
        batch.BatchCommands.Add(command);
    }

    /// <summary>The last commands of a transaction and its commit in one round trip. When it throws, the transaction is not committed, or, when the connection broke, nobody knows.</summary>
    public static async Task ExecuteAndCommitAsync(this NpgsqlBatch batch, CancellationToken cancellationToken)
    {
        batch.Add("commit");
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>A list of names as one text, for columns that <c>string_to_array(…, E'\x1f')</c> unpacks; names hold no control characters.</summary>
    public static string Pack(IEnumerable<string> names) => string.Join('\x1f', names);
}
