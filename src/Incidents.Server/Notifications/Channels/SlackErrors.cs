using Incidents.Domain.Notifications;

namespace Incidents.Server.Notifications.Channels;

/// <summary>What a Slack error asks of us.</summary>
internal enum SlackErrorClass
{
    None,
    Throttled,
    Transient,
    Configuration,
    Destination,
    Content,
    UpdateOnly,
    Thread,
    Unknown,
}

/// <summary>Slack says what went wrong in a word, mostly with HTTP 200. This is the one place that knows the words.</summary>
internal static class SlackErrors
{
    public static SlackErrorClass Classify(SlackAnswer answer)
    {
        if (answer.Ok) return SlackErrorClass.None;
        if (answer.Status == 429) return SlackErrorClass.Throttled;
        if (answer.Status is 408 or >= 500) return SlackErrorClass.Transient;

        return answer.Error switch
        {
            "ratelimited" or "rate_limited" => SlackErrorClass.Throttled,
            "internal_error" or "fatal_error" or "service_unavailable" or "request_timeout" or "external_channel_migrating" => SlackErrorClass.Transient,
            "missing_scope" or "no_permission" or "not_allowed_token_type" or "ekm_access_denied" or "org_login_required" or "team_added_to_org" or "access_denied" => SlackErrorClass.Configuration,
            "channel_not_found" or "not_in_channel" or "is_archived" or "message_limit_exceeded" => SlackErrorClass.Destination,
            "msg_blocks_too_long" or "msg_too_long" or "no_text" or "too_many_attachments" or "invalid_arguments" or "invalid_attachments" => SlackErrorClass.Content,
            "message_not_found" or "cant_update_message" or "edit_window_closed" or "is_inactive" or "block_mismatch" or "update_failed" => SlackErrorClass.UpdateOnly,
            "cannot_reply_to_message" or "thread_not_found" => SlackErrorClass.Thread,
            { } word when IsAboutToken(word) => SlackErrorClass.Configuration,
            { } word when word.StartsWith("restricted_action", StringComparison.Ordinal) => SlackErrorClass.Destination,
            { } word when word.StartsWith("invalid_blocks", StringComparison.Ordinal) || word.StartsWith("metadata_", StringComparison.Ordinal) || word.StartsWith("invalid_metadata", StringComparison.Ordinal) => SlackErrorClass.Content,

            // No word of Slack's: somebody in between answered, or half an answer came.
            null when answer.Status is >= 300 and < 500 => SlackErrorClass.Configuration,
            null => SlackErrorClass.Transient,
            _ => SlackErrorClass.Unknown,
        };
    }

    /// <summary>True when no call with this token can pass.</summary>
    public static bool IsAboutToken(string? word) => word is "invalid_auth" or "not_authed" or "token_revoked" or "token_expired" or "account_inactive";

    /// <summary>For an answer that is not ok and that no other way of sending can mend.</summary>
    public static DeliveryResult ToResult(SlackAnswer answer)
    {
        var word = answer.Error ?? $"HTTP {answer.Status}";
        var said = answer.Detail.Length == 0 ? $"Slack answered {word}" : $"Slack answered {word} ({answer.Detail})";
        return Classify(answer) switch
        {
            SlackErrorClass.Throttled => new DeliveryResult.RetryLater(said, answer.RetryAfter, WholeChannel: true),

            // Slack says of internal_error and fatal_error that part of the call may have worked.
            SlackErrorClass.Transient => new DeliveryResult.RetryLater(said, answer.RetryAfter, MayHaveArrived: true),
            SlackErrorClass.Configuration => new DeliveryResult.Misconfigured($"{said}. {WhatToDo(answer)}"),
            SlackErrorClass.Destination => new DeliveryResult.Rejected($"{said}. Invite the app to the channel, or change channel under the receiver."),
            _ => new DeliveryResult.Rejected(said),
        };
    }

    private static string WhatToDo(SlackAnswer answer) => answer.Error switch
    {
        "missing_scope" => "Give the Slack app the scope it lacks (chat:write to post) and install it again.",
        null => "Check Slack__ApiUrl and the proxy in between.",
        _ => "Write a valid bot token (xoxb-…) into Slack__BotToken.",
    };
}
