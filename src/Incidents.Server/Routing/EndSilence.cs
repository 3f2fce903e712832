using Incidents.Server.Web;
using Mediator;

namespace Incidents.Server.Routing;

/// <summary>Ends a silence or maintenance window now: what still fires pages. The row stays, and says who ended it. Ending one that has ended changes nothing.</summary>
internal sealed record EndSilence(string Kind, long Id, long? IfRevision = null) : ICommand<SilenceAnswer>;

internal sealed class EndSilenceHandler(SilenceWork work, IActor actor) : ICommandHandler<EndSilence, SilenceAnswer>
{
    public async ValueTask<SilenceAnswer> Handle(EndSilence command, CancellationToken cancellationToken) =>
        await work.ChangeAsync(command.Kind, command.Id, command.IfRevision, "ended", (silence, now) =>
        {
            if (silence.StateAt(now) == "ended") return new SilenceAnswer.Is(silence, false);
            (silence.EndedAt, silence.EndedBy) = (now, actor.Name);
            return null;
        }, cancellationToken);
}
