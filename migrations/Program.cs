using Incidents.Server.Storage;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Design;
using Microsoft.Extensions.Logging.Abstractions;

// Applies the migrations and exits: for installations where the server's own account may not change the schema.
if (Environment.GetEnvironmentVariable("ConnectionStrings__Incidents") is not { Length: > 0 } connection)
{
    await Console.Error.WriteLineAsync("Set ConnectionStrings__Incidents to the database to migrate, such as: Host=localhost;Database=incidents;Username=incidents;Password=…");
    return 2;
}

await using var database = StorageModule.CreateDataSource(connection, NullLoggerFactory.Instance);
await PrepareDatabase.MigrateAsync(database, CancellationToken.None);
Console.WriteLine("The database is at the newest version.");
return 0;

/// <summary>For <c>dotnet ef</c>, which only needs the model: it never connects.</summary>
internal sealed class DesignTimeDbContextFactory : IDesignTimeDbContextFactory<IncidentsDbContext>
{
    public IncidentsDbContext CreateDbContext(string[] args)
    {
        var options = new DbContextOptionsBuilder<IncidentsDbContext>();
        options.UseIncidentsDatabase(StorageModule.CreateDataSource(Environment.GetEnvironmentVariable("ConnectionStrings__Incidents") ?? "Host=localhost;Database=incidents;Username=incidents"));
        return new IncidentsDbContext(options.Options);
    }
}
