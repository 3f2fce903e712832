using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using Npgsql;

namespace Incidents.Server.Tests;

public sealed class MigrationTests
{
    [Test]
    public async Task The_model_has_no_changes_that_no_migration_makes()
    {
        await using var database = await TestDatabase.CreateAsync();
        await using var source = StorageModule.CreateDataSource(database.ConnectionString);
        var options = new DbContextOptionsBuilder<IncidentsDbContext>();
        options.UseIncidentsDatabase(source);
        await using var db = new IncidentsDbContext(options.Options);
        Assert.That(db.Database.HasPendingModelChanges(), Is.False, "script/migration NAME makes the missing migration");
    }

    [Test]
    public async Task Two_servers_that_migrate_an_empty_database_at_once_both_succeed()
    {
        await using var database = await TestDatabase.CreateAsync();
        await using var first = StorageModule.CreateDataSource(database.ConnectionString);
        await using var second = StorageModule.CreateDataSource(database.ConnectionString);
        await using (var empty = first.CreateCommand("drop schema public cascade; create schema public")) await empty.ExecuteNonQueryAsync();
        await Task.WhenAll(PrepareDatabase.MigrateAsync(first, CancellationToken.None), PrepareDatabase.MigrateAsync(second, CancellationToken.None));
        await using var count = second.CreateCommand("select count(*) from incidents");
        Assert.That(await count.ExecuteScalarAsync(), Is.Zero);
    }
}
