using Incidents.Server.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace Incidents.Server.Tests.Storage;

public sealed class DatabaseConnectionTests
{
    [TestCase("Host=db;Database=incidents", ExpectedResult = 10)]
    [TestCase("Host=db;Database=incidents;Maximum Pool Size=7", ExpectedResult = 7)]
    [TestCase("Host=db;Database=incidents;Maximum Pool Size=100", ExpectedResult = 100)]
    public int The_pool_is_small_unless_the_operator_says_otherwise(string given) =>
        new NpgsqlConnectionStringBuilder(DatabaseConnection.External(given).ConnectionString).MaxPoolSize;

    [Test]
    public void The_description_holds_no_password()
    {
        var connection = DatabaseConnection.External("Host=db;Database=incidents;Username=u;Password=hunter2");

        Assert.That(connection.Description, Is.EqualTo("incidents on db:5432"));
    }

    [Test]
    public void A_given_database_is_used_and_no_postgres_is_run()
    {
        var services = Services("--ConnectionStrings:Incidents=Host=db;Database=incidents");

        Assert.That(services.GetRequiredService<DatabaseConnection>().IsEmbedded, Is.False);
        Assert.That(services.GetServices<IHostedService>().OfType<EmbeddedPostgresService>(), Is.Empty);
    }

    [Test]
    public void Without_one_the_server_runs_its_own_and_its_address_is_known_before_it_starts()
    {
        var services = Services("--Incidents:DataDirectory=/somewhere");

        var connection = services.GetRequiredService<DatabaseConnection>();

        Assert.That(connection.IsEmbedded, Is.True);
        Assert.That(new NpgsqlConnectionStringBuilder(connection.ConnectionString).Host, Is.EqualTo("/somewhere/postgres/run"));
        Assert.That(services.GetServices<IHostedService>().OfType<EmbeddedPostgresService>().Count(), Is.EqualTo(1));
    }

    private static IServiceProvider Services(params string[] arguments)
    {
        var builder = WebApplication.CreateBuilder(arguments);
        builder.AddDatabaseConnection();
        builder.AddStorage();
        return builder.Build().Services;
    }
}
