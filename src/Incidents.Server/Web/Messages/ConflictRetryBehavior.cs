using Incidents.Server.Storage;
using Mediator;
using Microsoft.EntityFrameworkCore;

namespace Incidents.Server.Web;

/// <summary>Implemented by a message whose handler finds the row when it looks again after a unique violation (insert or, if somebody was faster, update).</summary>
internal interface IRetryOnDuplicate;

/// <summary>
/// Two writers met: read again and decide again, up to three runs in all, each with an empty change tracker.
/// Only for the outermost message of a scope and outside a transaction: what others read before would otherwise be thrown away with it.
/// Handlers therefore save, and do nothing that cannot be repeated before they save.
/// </summary>
internal sealed partial class ConflictRetryBehavior<TMessage, TResponse>(IncidentsDbContext db, MessageDepth depth, ILogger<ConflictRetryBehavior<TMessage, TResponse>> log)
    : IPipelineBehavior<TMessage, TResponse> where TMessage : notnull, IMessage
{
    private const int Runs = 3;

    public async ValueTask<TResponse> Handle(TMessage message, MessageHandlerDelegate<TMessage, TResponse> next, CancellationToken cancellationToken)
    {
        var outermost = depth.Value++ == 0 && db.Database.CurrentTransaction is null && !db.ChangeTracker.HasChanges();
        try
        {
            for (var run = 1; ; run++)
            {
                try
                {
                    return await next(message, cancellationToken);
                }
                catch (Exception e) when (outermost && run < Runs && IsRetryable(e, message))
                {
                    LogMet(typeof(TMessage).Name, run);
                    db.ChangeTracker.Clear();
                }
            }
        }
        finally
        {
            depth.Value--;
        }
    }

    private static bool IsRetryable(Exception e, TMessage message) =>
        e is DbUpdateConcurrencyException || DatabaseTrouble.IsConflict(e) || (message is IRetryOnDuplicate && DatabaseTrouble.IsUniqueViolation(e));

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Message} met another writer in run {Run} and was run again")]
    private partial void LogMet(string message, int run);
}

/// <summary>How many messages of this scope are being handled inside one another.</summary>
internal sealed class MessageDepth
{
    public int Value { get; set; }
}
