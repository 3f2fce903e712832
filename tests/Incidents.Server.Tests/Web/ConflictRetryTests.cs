using Incidents.Server.Storage;
using Incidents.Server.Web;
using Mediator;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using NodaTime;
using Npgsql;

namespace Incidents.Server.Tests.Web;

internal sealed class ConflictRetryTests
{
    private TestDatabase _database = null!;
    private IncidentsDbContext _db = null!;

    [SetUp]
    public async Task Open()
    {
        var options = new DbContextOptionsBuilder<IncidentsDbContext>();
        _database = await TestDatabase.CreateAsync();
        StoppableDatabase.Configure(options, _database.ConnectionString);
        _db = new IncidentsDbContext(options.Options);
    }

    [TearDown]
    public async Task Close()
    {
        await _db.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Test]
    public async Task A_handler_that_met_another_writer_runs_again_with_an_empty_change_tracker()
    {
        var runs = 0;
        var answer = await HandleAsync(new Order(), () =>
        {
            Assert.That(_db.ChangeTracker.Entries(), Is.Empty);
            _db.Add(Key($"k{++runs}"));
            return runs < 3 ? throw new DbUpdateConcurrencyException() : runs;
        });
        Assert.That(answer, Is.EqualTo(3));
    }

    [Test]
    public void After_three_runs_it_gives_up()
    {
        var runs = 0;
        Assert.That(async () => await HandleAsync(new Order(), () => { runs++; throw new DbUpdateConcurrencyException(); }), Throws.InstanceOf<DbUpdateConcurrencyException>());
        Assert.That(runs, Is.EqualTo(3));
    }

    [TestCase("40001", 3)]
    [TestCase("40P01", 3)]
    [TestCase("23505", 1)]
    [TestCase("23503", 1)]
    public void Only_what_running_again_can_mend_is_run_again(string sqlState, int expected)
    {
        var runs = 0;
        Assert.That(async () => await HandleAsync(new Order(), () => { runs++; throw Refused(sqlState); }), Throws.InstanceOf<DbUpdateException>());
        Assert.That(runs, Is.EqualTo(expected));
    }

    [Test]
    public async Task A_message_that_says_so_is_run_again_when_the_row_was_there_already()
    {
        await using (var other = new IncidentsDbContext(Options())) { other.Add(Key("taken")); await other.SaveChangesAsync(); }

        var runs = 0;
        await RunAsync(new Upsert(), async () =>
        {
            _db.Add(Key(++runs == 1 ? "taken" : "free"));
            return await _db.SaveChangesAsync();
        });
        Assert.That(runs, Is.EqualTo(2));
    }

    [Test]
    public void An_inner_message_leaves_the_repeat_to_the_outermost()
    {
        int outer = 0, inner = 0;
        var depth = new MessageDepth();
        Assert.That(async () => await RunAsync(new Order(), async () =>
        {
            outer++;
            return await HandleAsync(new Order(), () => { inner++; throw new DbUpdateConcurrencyException(); }, depth);
        }, depth), Throws.InstanceOf<DbUpdateConcurrencyException>());
        Assert.That((outer, inner), Is.EqualTo((3, 3)));
    }

    [Test]
    public async Task Messages_are_validated_first_and_then_run_and_run_again()
    {
        await using var host = await WebHost.StartAsync();
        await using var scope = host.Services.CreateAsyncScope();
        Assert.That(scope.ServiceProvider.GetServices<IPipelineBehavior<CreateApiKey, CreatedApiKey>>().Select(b => b.GetType().GetGenericTypeDefinition()),
            Is.EqualTo(new[] { typeof(ValidationBehavior<,>), typeof(ConflictRetryBehavior<,>) }));
    }

    [Test]
    public async Task Inside_a_transaction_nothing_is_run_again()
    {
        await using var transaction = await _db.Database.BeginTransactionAsync();
        var runs = 0;
        Assert.That(async () => await HandleAsync(new Order(), () => { runs++; throw new DbUpdateConcurrencyException(); }), Throws.InstanceOf<DbUpdateConcurrencyException>());
        Assert.That(runs, Is.EqualTo(1));
    }

    private DbContextOptions<IncidentsDbContext> Options()
    {
        var options = new DbContextOptionsBuilder<IncidentsDbContext>();
        StoppableDatabase.Configure(options, _db.Database.GetConnectionString()!);
        return options.Options;
    }

    private ValueTask<int> HandleAsync<TMessage>(TMessage message, Func<int> handler, MessageDepth? depth = null) where TMessage : notnull, IMessage => RunAsync(message, () => Task.FromResult(handler()), depth);

    private ValueTask<int> RunAsync<TMessage>(TMessage message, Func<Task<int>> handler, MessageDepth? depth = null) where TMessage : notnull, IMessage =>
        new ConflictRetryBehavior<TMessage, int>(_db, depth ?? new MessageDepth(), NullLogger<ConflictRetryBehavior<TMessage, int>>.Instance)
            .Handle(message, async (_, _) => await handler(), CancellationToken.None);

    private static DbUpdateException Refused(string sqlState) => new("refused", new PostgresException("refused", "ERROR", "ERROR", sqlState));

    private static ApiKey Key(string prefix) => new() { Id = Guid.NewGuid(), Name = "k", Prefix = prefix, Hash = [1], Scopes = [], CreatedAt = Instant.FromUtc(2026, 1, 1, 0, 0) };

    private sealed record Order : ICommand<int>;

    private sealed record Upsert : ICommand<int>, IRetryOnDuplicate;
}
