using Npgsql;

namespace Incidents.Server.Tests;

public sealed class TestDatabaseTests
{
    [Test]
    public async Task Two_test_databases_do_not_see_each_other()
    {
        await using var one = await TestDatabase.CreateAsync();
        await using var other = await TestDatabase.CreateAsync();

        await ExecuteAsync(one.ConnectionString, "create table seen (id int)");

        Assert.That(await ScalarAsync(one.ConnectionString), Is.EqualTo(1));
        Assert.That(await ScalarAsync(other.ConnectionString), Is.Zero);
    }

    [Test]
    public async Task A_test_database_is_dropped_even_under_an_open_connection()
    {
        var database = await TestDatabase.CreateAsync();
        await using var open = new NpgsqlConnection(database.ConnectionString);
        await open.OpenAsync();

        await database.DisposeAsync();

        var gone = Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(database.ConnectionString));
        Assert.That(gone!.SqlState, Is.EqualTo(PostgresErrorCodes.InvalidCatalogName));
    }

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<long> ScalarAsync(string connectionString)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select count(*) from pg_tables where tablename = 'seen'", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
